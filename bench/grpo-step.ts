// One whole GRPO step, the trainer's own stages: 8 prompts x 8 completions x 64 tokens, a trivial reward, one update; against TRL.
import type { BenchFile, BenchOptions } from "@rectify/cli"
import type { Tokenizer } from "@rectify/data"
import type { Judged, Prompt, Sampled } from "@rectify/trainer/flow"
import type { LossSpec, OptimizerSpec, Sampling } from "@rectify/trainer/recipe"
import { rollout } from "@rectify/trainer/rollout"
import { update } from "@rectify/trainer/update"
import { weigh } from "@rectify/trainer/weigh"
import { peer } from "./peers/peer.ts"
import { type DtypeName, dtypes, milliseconds, openPolicy, type Shape, someTokens } from "./peers/policy.ts"

export const name = "grpo-step"

const promptLength = 17
const maxBatchTokens = 8 * (promptLength + 8 * 64)

const sampling: Sampling = {
  numGenerations: 8,
  maxCompletionLength: 64,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  stopStrings: [],
  seed: 0,
}

const loss: LossSpec = {
  lossType: "dapo",
  epsilon: 0.2,
  epsilonHigh: 0.28,
  delta: Number.POSITIVE_INFINITY,
  beta: 0,
  kl: "k3",
  useBiasCorrectionKl: true,
  importanceSamplingLevel: "token",
  sapoTemperatureNeg: 1.05,
  sapoTemperaturePos: 1,
  maskTruncated: false,
  maxCompletionLength: 64,
  temperature: 1,
  maxBatchTokens,
}

const optimizer = {
  learningRate: 1e-4,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
} as OptimizerSpec

/** No text: the policy is random, and its ids are as good as words. */
const tokenizer = {
  eosTokenIds: [] as number[],
  decode: (ids: ArrayLike<number>) => `${ids.length}`,
} as Tokenizer

function judgeTrivially(sample: Sampled): Judged {
  const reward = (sample.ids.reduce((sum, id) => sum + id, 0) % 7) / 7
  return {
    ...sample,
    reward,
    rewards: { trivial: reward },
    correct: false,
    parsed: null,
    reasons: {},
    points: [],
  }
}

async function stepTime(shape: Shape, dtype: DtypeName, options: BenchOptions): Promise<number> {
  const engine = await openPolicy(shape, dtype, options, {
    maxBatchTokens,
    maxDecodeRows: 64,
  })
  let done = 0
  const step = async () => {
    const prompts = Array.from({ length: 8 }, (_, i): Prompt => {
      const key = done * 8 + i
      const example = { id: `${key}`, prompt: "", shown: "", answer: "", columns: {} }
      return { example, text: "", ids: someTokens(promptLength, key), key }
    })
    const groups = await rollout(engine, prompts, sampling, { tokenizer, step: ++done })
    const judged = groups.map((group) => ({ ...group, samples: group.samples.map(judgeTrivially) }))
    const weighted = await weigh(judged, { name: "grpo", scaleRewards: "group", alpha: 0, gamma: 1 })
    const plan = { groupsPerUpdate: 8, iterations: 1, optimizer, firstUpdate: done - 1, totalUpdates: 1000 }
    await update(engine, weighted, loss, plan)
  }
  const time = await milliseconds(step, options.quick ? 1 : 3)
  await engine.dispose()
  return time
}

export const run: BenchFile["run"] = async (emit, options) => {
  const beside = peer("grpo_step", options)
  for (const dtype of Object.keys(dtypes) as DtypeName[])
    for (const shape of (options.quick ? ["256x4"] : ["256x4", "512x8"]) satisfies Shape[])
      emit(beside({ case: `${dtype} ${shape}`, value: await stepTime(shape, dtype, options), unit: "ms" }))
}
