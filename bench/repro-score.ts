// J at 22 points of each thought: every answer a branch of one forward pass, against recomputing every prefix as the authors' code does.
import type { BenchFile } from "@rectify/cli"
import type { Forest } from "@rectify/engine"
import { peer } from "./peers/peer.ts"
import { milliseconds, openPolicy, someTokens } from "./peers/policy.ts"

export const name = "repro-score"

const promptLength = 32
const thoughtLength = 256
const points = 22
const answerLength = 6

/** Per thought: its prompt, the thought, and the answer hanging from each point (0 is the end of the prompt). */
function forestOf(thoughts: number): Forest {
  const parent: number[] = []
  const parentLength: number[] = []
  const length: number[] = []
  for (let t = 0; t < thoughts; t++) {
    const prompt = length.length
    parent.push(-1, prompt)
    parentLength.push(0, promptLength)
    length.push(promptLength, thoughtLength)
    for (let i = 0; i < points; i++) {
      const end = Math.floor((thoughtLength * i) / (points - 1))
      parent.push(end === 0 ? prompt : prompt + 1)
      parentLength.push(end === 0 ? promptLength : end)
      length.push(answerLength)
    }
  }
  const tokens = someTokens(
    length.reduce((sum, n) => sum + n, 0),
    3,
  )
  return {
    parent: Int32Array.from(parent),
    parentLength: Int32Array.from(parentLength),
    length: Int32Array.from(length),
    tokens,
  }
}

export const run: BenchFile["run"] = async (emit, options) => {
  const beside = peer("repro_score", options)
  const thoughts = options.quick ? 1 : 8
  const forest = forestOf(thoughts)
  const engine = await openPolicy("256x4", "f32", options, {
    training: false,
    maxBatchTokens: forest.tokens.length,
  })
  const value = await milliseconds(() => engine.logprobs(forest), options.quick ? 1 : 5)
  await engine.dispose()
  emit(
    beside({
      case: `f32 256x4, ${thoughts} thoughts of ${thoughtLength}, ${points} points`,
      value,
      unit: "ms",
    }),
  )
}
