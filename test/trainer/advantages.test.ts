// Advantage estimators against plain double loops, worked numbers, and each other.
import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  advantageNames,
  advantageProblem,
  type EstimatorOptions,
  loadEstimator,
  type Outcome,
  type OutcomeGroup,
} from "../../packages/trainer/src/advantages/index.ts"

const options: EstimatorOptions = { scaleRewards: "group" }
const rewards = (...values: number[]): Outcome[] => values.map((reward) => ({ reward, length: 1, steps: [] }))
const points = (...steps: number[][]): Outcome[] => steps.map((own) => ({ reward: 0, length: 1, steps: own }))
const close = (values: number[]) => values.map((value) => expect.closeTo(value, 4))

const std = (values: number[]) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1))
}

test("grpo: (r - mean) / (unbiased std + 1e-4), as TRL", async () => {
  const { outcome } = await loadEstimator("grpo")
  const scale = std([1, 0, 0, 1]) + 1e-4
  expect(outcome([rewards(1, 0, 0, 1)], options)).toEqual([[0.5, -0.5, -0.5, 0.5].map((d) => d / scale)])
  expect(outcome([rewards(1, 1, 1)], options)).toEqual([[0, 0, 0]])
  expect(outcome([rewards(1, 0)], { scaleRewards: "none" })).toEqual([[0.5, -0.5]])
  const batch = std([1, 0, 4, 0]) + 1e-4
  expect(outcome([rewards(1, 0), rewards(4, 0)], { scaleRewards: "batch" })).toEqual([
    [0.5 / batch, -0.5 / batch],
    [2 / batch, -2 / batch],
  ])
})

test("a reward that does not apply takes no part and gets 0", async () => {
  for (const name of advantageNames()) {
    const { outcome } = await loadEstimator(name)
    const [without] = outcome([rewards(1, 0, 0)], options)
    const [withNone] = outcome([rewards(1, 0, Number.NaN, 0)], options)
    expect(withNone).toEqual([without![0]!, without![1]!, 0, without![2]!])
    expect(outcome([rewards(Number.NaN, Number.NaN)], options)).toEqual([[0, 0]])
  }
})

test("rloo: less the mean of the others; dr_grpo: less the mean", async () => {
  const group = rewards(3, 1, 2)
  const { outcome: rloo } = await loadEstimator("rloo")
  expect(rloo([group], options)).toEqual([[3 - 1.5, 1 - 2.5, 2 - 2]])
  const { outcome: drGrpo } = await loadEstimator("dr_grpo")
  expect(drGrpo([group], options)).toEqual([[1, -1, 0]])
})

test("reinforce_plus_plus whitens over tokens: a long completion counts once per token", async () => {
  const group: Outcome[] = [
    { reward: 1, length: 3, steps: [] },
    { reward: 0, length: 1, steps: [] },
  ]
  const tokens = [1, 1, 1, 0]
  const scale = Math.sqrt(std(tokens) ** 2 + 1e-8)
  const { outcome } = await loadEstimator("reinforce_plus_plus")
  expect(outcome([group], options)).toEqual([close([0.25 / scale, -0.75 / scale])])
  const baseline = await loadEstimator("reinforce_plus_plus_baseline")
  const centred = [0.5, 0.5, 0.5, -0.5]
  const spread = Math.sqrt(std(centred) ** 2 + 1e-8)
  expect(baseline.outcome([group], options)).toEqual([close([(0.5 - 0.25) / spread, (-0.5 - 0.25) / spread])])
})

describe("process parts", () => {
  test("repro_grpo: z over all points of the group, the published vector", async () => {
    const { process } = await loadEstimator("repro_grpo")
    const group = points([0.364851, -0.081149, 0.424985, 0.241354], [0.3, -0.05, 0.4])
    const [z] = process!([group], options)
    expect(z![0]).toEqual(close([0.648, -1.4728, 0.934, 0.0608]))
  })

  test("repro_grpo: one point alone stays, equal points give 0, scale none only centres", async () => {
    const { process } = await loadEstimator("repro_grpo")
    expect(process!([points([0.7], [])], options)).toEqual([[[0.7], []]])
    expect(process!([points([0.2, 0.2], [0.2])], options)).toEqual([[close([0, 0]), close([0])]])
    expect(process!([points([1, 3])], { scaleRewards: "none" })).toEqual([[[-1, 1]]])
    expect(process!([points([], [])], options)).toEqual([[[], []]])
  })

  test("repro_reinforce_plus_plus whitens over the batch, and survives 0 or 1 points", async () => {
    const { process } = await loadEstimator("repro_reinforce_plus_plus")
    const scale = Math.sqrt(std([1, 2, 6]) ** 2 + 1e-8)
    expect(process!([points([1, 2]), points([6])], options)).toEqual([
      [close([-2 / scale, -1 / scale])],
      [close([3 / scale])],
    ])
    expect(process!([points([5])], options)).toEqual([[[0]]])
    expect(process!([points([])], options)).toEqual([[[]]])
  })

  test("repro_reinforce_plus_plus_baseline only centres, by group", async () => {
    const { process } = await loadEstimator("repro_reinforce_plus_plus_baseline")
    expect(process!([points([1, 2], [6]), points([4])], options)).toEqual([[[-2, -1], [3]], [[4]]])
  })
})

test("the outcome part of each repro_ estimator is its plain one's, to the bit", async () => {
  const groups: OutcomeGroup[] = [rewards(0.1, 0.7, 0.3), rewards(1, 0, 0.2)]
  for (const name of advantageNames().filter((each) => each.startsWith("repro_"))) {
    const plain = await loadEstimator(name.replace("repro_", ""))
    const repro = await loadEstimator(name)
    expect(repro.outcome(groups, options)).toEqual(plain.outcome(groups, options))
  }
})

test("a group's advantages do not depend on the others, nor on their order", async () => {
  const group = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 6 })
  for (const name of ["grpo", "dr_grpo", "rloo", "repro_grpo"]) {
    const { outcome } = await loadEstimator(name)
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), (all) => {
        const groups = all.map((values) => rewards(...values))
        const whole = outcome(groups, options)
        expect(outcome([...groups].reverse(), options)).toEqual([...whole].reverse())
        expect(groups.map((each) => outcome([each], options)[0])).toEqual(whole)
      }),
    )
  }
})

test("names: found by file, refused with a reason or the nearest", () => {
  expect(advantageNames()).toEqual([
    "dr_grpo",
    "grpo",
    "reinforce_plus_plus",
    "reinforce_plus_plus_baseline",
    "repro_grpo",
    "repro_reinforce_plus_plus",
    "repro_reinforce_plus_plus_baseline",
    "rloo",
  ])
  expect(advantageProblem("repro_ppo")).toContain("critic")
  expect(advantageProblem("gpro")).toContain("did you mean grpo")
  expect(loadEstimator("estimator")).rejects.toThrow("unknown name")
})
