// The double-precision judge of the loss, against TRL's own numbers, hand-worked ones, and finite differences.
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { KlEstimator, LossType } from "@rectify/engine"
import { judgeLoss, type LossSettings, type SequenceTerms } from "../../packages/trainer/src/losses/loss.ts"
import { goldenDir } from "../golden.ts"

interface Golden {
  batch: Record<"logprobs" | "old" | "ref" | "mask" | "token_advantages", number[][]> & {
    advantages: number[]
  }
  cases: {
    options: {
      loss_type: LossType
      epsilon: number
      epsilon_high: number
      delta: number | null
      beta: number
      kl: KlEstimator
      use_bias_correction_kl: boolean
      importance_sampling_level: "token" | "sequence"
      sapo_temperature_neg: number
      sapo_temperature_pos: number
      max_completion_length: number
      on_policy: boolean
      token_advantages: boolean
    }
    loss: number
    grad: number[][]
    metrics: Record<string, number>
  }[]
}
const golden: Golden = JSON.parse(readFileSync(join(goldenDir, "losses.json"), "utf8"))
const { batch } = golden

const settings = (given: Partial<LossSettings> = {}): LossSettings => ({
  lossType: "dapo",
  epsilon: 0.2,
  epsilonHigh: 0.2,
  delta: Number.POSITIVE_INFINITY,
  beta: 0,
  kl: "k3",
  useBiasCorrectionKl: true,
  importanceSamplingLevel: "token",
  sapoTemperatureNeg: 1.05,
  sapoTemperaturePos: 1,
  numSequences: 1,
  numTokens: 1,
  maxCompletionLength: 1,
  ...given,
})

const kept = (values: number[], row: number) => values.filter((_, t) => batch.mask[row]![t] === 1)

describe("TRL's own loss and gradient", () => {
  test.each(golden.cases.map((each, i) => [i, each.options.loss_type, each] as const))(
    "case %d, %s",
    (_, __, each) => {
      const { options } = each
      const sequences = batch.logprobs.map(
        (logprobs, row): SequenceTerms => ({
          logp: kept(logprobs, row),
          old: kept(options.on_policy ? logprobs : batch.old[row]!, row),
          ref: kept(batch.ref[row]!, row),
          advantages: kept(
            options.token_advantages
              ? batch.token_advantages[row]!
              : logprobs.map(() => batch.advantages[row]!),
            row,
          ),
        }),
      )
      const { loss, gradient, stats } = judgeLoss(
        sequences,
        settings({
          lossType: options.loss_type,
          epsilon: options.epsilon,
          epsilonHigh: options.epsilon_high,
          delta: options.delta ?? Number.POSITIVE_INFINITY,
          beta: options.beta,
          kl: options.kl,
          useBiasCorrectionKl: options.use_bias_correction_kl,
          importanceSamplingLevel: options.importance_sampling_level,
          sapoTemperatureNeg: options.sapo_temperature_neg,
          sapoTemperaturePos: options.sapo_temperature_pos,
          numSequences: sequences.length,
          numTokens: batch.mask.flat().filter((on) => on === 1).length,
          maxCompletionLength: options.max_completion_length,
        }),
      )
      // TRL holds SAPO's temperatures in float32.
      const digits = options.loss_type === "sapo" ? 6 : 10
      expect(loss).toBeCloseTo(each.loss, digits)
      for (const [row, grad] of each.grad.entries()) {
        const expected = kept(grad, row)
        expect(gradient[row]!.length).toBe(expected.length)
        for (const [t, value] of expected.entries()) expect(gradient[row]![t]).toBeCloseTo(value, digits)
      }
      const low = each.metrics["clip_ratio/low_mean"]
      if (low !== undefined && options.importance_sampling_level === "token")
        expect(stats.clipLow / stats.tokens).toBeCloseTo(low, 6)
    },
  )
})

test("on-policy clipped loss is minus the advantage, by hand", () => {
  const one = { logp: [-1, -2], old: [-1, -2], advantages: [0.5, 0.5] }
  const two = { logp: [-3], old: [-3], advantages: [-2] }
  const sizes = { numSequences: 2, numTokens: 3, maxCompletionLength: 10 }
  // token mean: -(0.5 + 0.5 - 2) / 3; sequence mean: -(0.5 - 2) / 2; constant: -(-1) / 20
  expect(judgeLoss([one, two], settings({ ...sizes, lossType: "dapo" })).loss).toBeCloseTo(1 / 3, 12)
  expect(judgeLoss([one, two], settings({ ...sizes, lossType: "grpo" })).loss).toBeCloseTo(0.75, 12)
  expect(judgeLoss([one, two], settings({ ...sizes, lossType: "dr_grpo" })).loss).toBeCloseTo(1 / 20, 12)
})

test("a clipped token has no gradient, and is counted", () => {
  const up = { logp: [Math.log(1.5)], old: [0], advantages: [1] }
  const { loss, gradient, stats } = judgeLoss([up], settings({ epsilonHigh: 0.28 }))
  expect(loss).toBeCloseTo(-1.28, 12)
  expect(gradient).toEqual([[0]])
  expect(stats).toMatchObject({ clipHigh: 1, clipLow: 0, tokens: 1, sequences: 1 })
  expect(stats.ratioMax).toBeCloseTo(1.5, 12)
})

describe("gradients are those of the loss", () => {
  const types: LossType[] = ["grpo", "bnpo", "dr_grpo", "dapo", "sapo"]
  const levels = ["token", "sequence"] as const
  test.each(types.flatMap((type) => levels.map((level) => [type, level] as const)))(
    "%s, %s",
    (lossType, level) => {
      const given = settings({
        lossType,
        importanceSamplingLevel: level,
        beta: 0.1,
        numSequences: 2,
        numTokens: 5,
        maxCompletionLength: 4,
      })
      const sequences: SequenceTerms[] = [
        { logp: [-1.05, -0.5, -2], old: [-1, -0.45, -2.1], ref: [-1.2, -0.4, -1.9], advantages: [1, 1, 1] },
        { logp: [-0.3, -0.9], old: [-0.32, -0.85], ref: [-0.5, -1], advantages: [-0.7, -0.7] },
      ]
      const { gradient } = judgeLoss(sequences, given)
      const h = 1e-6
      const moved = (s: number, t: number, by: number) =>
        judgeLoss(
          sequences.map((each, i) => ({
            ...each,
            logp: each.logp.map((v, j) => (i === s && j === t ? v + by : v)),
          })),
          given,
        ).loss
      for (const [s, { logp }] of sequences.entries())
        for (const t of logp.keys())
          expect(gradient[s]![t]).toBeCloseTo((moved(s, t, h) - moved(s, t, -h)) / (2 * h), 6)
    },
  )
})
