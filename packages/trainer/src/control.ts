// The wishes of whoever steers a run from outside: queued here, taken by the loop between stages, answered once it has acted.
import type { ControlAnswer, Controller, ControlRequest } from "@rectify/store"

export interface Wish {
  request: ControlRequest
  answer(answer: ControlAnswer): void
}

export class Control implements Controller {
  #run: string | undefined
  #step = 0
  #ended = "no run has started"
  #waiting: Wish[] = []
  /** asked to stop: answered when everything is saved */
  #stops: Wish[] = []
  #wake: (() => void) | undefined

  request(run: string, request: ControlRequest, signal?: AbortSignal): Promise<ControlAnswer> {
    if (this.#run !== run) {
      const message =
        this.#run === undefined
          ? `"${run}" is not going on here: ${this.#ended}`
          : `"${this.#run}" goes on here`
      return Promise.resolve(this.#refusal(message))
    }
    if (signal?.aborted) return Promise.resolve(this.#refusal("withdrawn before it was asked"))
    return new Promise((resolve) => {
      const wish: Wish = { request, answer: resolve }
      this.#waiting.push(wish)
      this.#wake?.()
      signal?.addEventListener("abort", () => this.#withdraw(wish), { once: true })
    })
  }

  /** The loop's side: a run goes on, and how far it is. */
  begin(run: string, step: number): void {
    this.#run = run
    this.#step = step
  }

  reached(step: number): void {
    this.#step = step
  }

  next(): Wish | undefined {
    return this.#waiting.shift()
  }

  stopping(wish: Wish): void {
    this.#stops.push(wish)
  }

  /** Until something is asked, or the signal aborts. */
  async arrival(signal?: AbortSignal): Promise<void> {
    if (this.#waiting.length > 0 || signal?.aborted) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      signal?.addEventListener("abort", () => resolve(), { once: true })
    })
    this.#wake = undefined
  }

  /** The run is over; nobody is left without an answer. */
  end(how: string, stopped: boolean): void {
    const step = this.#step
    for (const { answer } of this.#stops.splice(0)) answer({ done: stopped, step, message: how })
    for (const { answer } of this.#waiting.splice(0)) answer(this.#refusal(how))
    this.#run = undefined
    this.#ended = how
  }

  #withdraw(wish: Wish): void {
    const at = this.#waiting.indexOf(wish)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    wish.answer(this.#refusal("the trainer did not get to it in time, so it was withdrawn; ask again"))
  }

  #refusal(message: string): ControlAnswer {
    return { done: false, step: this.#step, message }
  }
}
