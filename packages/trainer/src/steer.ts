// Does what a run's steering asks for, between two stages: there the weights are those of the last step, whatever was begun.
import type { Tokenizer } from "@rectify/data"
import type { Engine } from "@rectify/engine"
import type { ControlRequest } from "@rectify/store"
import type { Control } from "./control.ts"
import { evaluate, type HeldOut } from "./evaluate.ts"
import type { Run } from "./run.ts"

interface Steered {
  run: Run
  engine: Engine
  held: HeldOut
  tokenizer: Tokenizer
}

/** To be awaited between stages; returns at once when nothing is asked, and stays while the run is paused. */
export function steering(control: Control | undefined, steered: Steered): () => Promise<void> {
  const { run } = steered
  let paused = false

  return async () => {
    if (control === undefined) return
    control.reached(run.place.step)
    for (;;) {
      for (let wish = control.next(); wish !== undefined; wish = control.next()) {
        const { request, answer } = wish
        const { step } = run.place
        if (request.action === "stop") {
          run.stop()
          control.stopping(wish)
        } else if (request.action === "pause" || request.action === "resume") {
          const wanted = request.action === "pause"
          if (paused === wanted)
            answer({ done: false, step, message: wanted ? "it is paused already" : "it is not paused" })
          else {
            paused = wanted
            await run.paused(paused)
            answer({ done: true, step, message: paused ? "paused" : "goes on" })
          }
        } else {
          try {
            const message = await act(request, steered)
            await run.steered(request.action, message)
            answer({ done: true, step, message })
          } catch (error) {
            answer({ done: false, step, message: error instanceof Error ? error.message : String(error) })
          }
        }
      }
      if (!paused || run.interrupted) return
      await control.arrival(run.signal)
    }
  }
}

type Acted = Exclude<ControlRequest, { action: "pause" | "resume" | "stop" }>

async function act(
  request: Acted | { action: "checkpoint" | "evaluate" },
  { run, engine, held, tokenizer }: Steered,
): Promise<string> {
  if (request.action === "learning_rate") return await run.changeLearningRate(request.value)
  if (request.action === "checkpoint") return await run.save(engine, tokenizer, { resumable: true })
  const evaluated = await evaluate(engine, held)
  await run.evaluated(evaluated)
  const { accuracy, mean_length } = evaluated.evaluation
  return `accuracy ${accuracy.toFixed(4)}, mean length ${mean_length.toFixed(1)}`
}
