// What waits to be written: whole steps only, in order, bounded.
import type { CompletionRecord, NewEvent, NewRun, RunState } from "./types.ts"

export type Write =
  | { kind: "run"; run: NewRun; time: number }
  | {
      kind: "step"
      run: string
      step: number
      time: number
      /** absent: completions that came after their step was closed */
      metrics?: Record<string, number>
      completions: CompletionRecord[]
      /** the completions of how many steps stay; absent: all */
      keep?: number
    }
  | { kind: "evaluation"; run: string; step: number; metrics: object; time: number }
  | { kind: "event"; run: string; event: NewEvent; time: number }
  | { kind: "state"; run: string; state: RunState; error?: string; time: number }
  | { kind: "heartbeat"; run: string; time: number }
  | { kind: "forget"; run: string; step: number }

export class Queue {
  /** completions dropped because the database could not be written for too long */
  dropped = 0
  private writes: Write[] = []
  /** completions of steps not closed yet, by run and step */
  private held = new Map<string, Map<number, CompletionRecord[]>>()
  private closed = new Map<string, { step: number; time: number }>()
  private moments = new Map<string, number>()
  private records = 0

  constructor(private readonly most: number) {}

  get length(): number {
    return this.writes.length
  }

  add(write: Write): void {
    if (write.kind === "forget") this.reopen(write.run, write.step)
    this.writes.push(write)
    this.records += size(write)
    this.bound()
  }

  hold(run: string, step: number, completions: CompletionRecord[]): void {
    const last = this.closed.get(run)
    if (last !== undefined && step <= last.step) {
      this.add({ kind: "step", run, step, time: last.time, completions })
      return
    }
    const steps = this.held.get(run) ?? new Map<number, CompletionRecord[]>()
    this.held.set(run, steps)
    steps.set(step, [...(steps.get(step) ?? []), ...completions])
  }

  close(run: string, step: number, metrics: Record<string, number>, now: number, keep?: number): void {
    const steps = this.held.get(run)
    const completions = steps?.get(step) ?? []
    steps?.delete(step)
    const time = this.moment(run, now)
    this.closed.set(run, { step, time })
    this.add({ kind: "step", run, step, time, metrics, completions, keep })
  }

  /** No two steps or evaluations of a run share a time, so that a reader can ask for what came after the last one it saw. */
  moment(run: string, now: number): number {
    const time = Math.max(now, (this.moments.get(run) ?? 0) + 1)
    this.moments.set(run, time)
    return time
  }

  /** the oldest writes, to be removed with `done` once they are in the database */
  peek(count: number): Write[] {
    return this.writes.slice(0, count)
  }

  done(writes: readonly Write[]): void {
    const first = new Set(writes)
    this.writes = this.writes.filter((write) => !first.has(write))
    for (const write of writes) this.records -= size(write)
  }

  private reopen(run: string, step: number): void {
    const last = this.closed.get(run)
    if (last !== undefined && last.step > step) last.step = step
    for (const held of this.held.get(run)?.keys() ?? []) if (held > step) this.held.get(run)?.delete(held)
  }

  private bound(): void {
    for (const write of this.writes) {
      if (this.records <= this.most) return
      if (write.kind !== "step") continue
      this.records -= write.completions.length
      this.dropped += write.completions.length
      write.completions = []
    }
  }
}

const size = (write: Write) => 1 + (write.kind === "step" ? write.completions.length : 0)
