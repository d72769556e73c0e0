// Updates: the same gradient however the groups are cut, minibatches and passes, masks, the reference policy.
import { expect, test } from "bun:test"
import type { TrainBatch } from "@rectify/engine"
import { stepOptions, type UpdatePlan, update } from "../../packages/trainer/src/update.ts"
import { FakeEngine } from "./fake-engine.ts"
import { group, prompt, recipe, weighted } from "./fixtures.ts"

class Watched extends FakeEngine {
  batches: TrainBatch[] = []
  gradients: number[][][] = []
  rates: number[] = []
  override async train(batch: TrainBatch) {
    this.batches.push(batch)
    return super.train(batch)
  }
  override async step(options: Parameters<FakeEngine["step"]>[0]) {
    this.gradients.push(this.gradient)
    this.rates.push(options.learningRate)
    return super.step(options)
  }
}

const specs = recipe({ beta: 0, learning_rate: 0.1, max_batch_tokens: 1000, loss_type: "grpo" })
const plan = (given: Partial<UpdatePlan> = {}): UpdatePlan => ({
  groupsPerUpdate: 3,
  iterations: 1,
  optimizer: specs.optimizer,
  firstUpdate: 0,
  totalUpdates: 10,
  ...given,
})

/** Log-probabilities as the engine would have sampled them. */
function onPolicy(engine: FakeEngine, context: number[], ids: number[], advantage: number) {
  const logprobs = Float32Array.from(
    ids,
    (id, t) => engine.logprobsAfter([...context, ...ids.slice(0, t)])[id]!,
  )
  return weighted(ids, advantage, { logprobs })
}

function groupsFor(engine: FakeEngine) {
  return [
    group(prompt([1, 2], "x"), [onPolicy(engine, [1, 2], [3, 4, 0], 1), onPolicy(engine, [1, 2], [5], -0.5)]),
    group(prompt([4], "y", 1), [onPolicy(engine, [4], [1, 1], 0.3), onPolicy(engine, [4], [2, 3, 4, 0], -2)]),
    group(prompt([2, 2, 2], "z", 2), [onPolicy(engine, [2, 2, 2], [0], 1)]),
  ]
}

async function gradientWith(maxBatchTokens: number, lossType: typeof specs.loss.lossType) {
  const engine = new Watched(8, 2)
  await update(engine, groupsFor(engine), { ...specs.loss, lossType, maxBatchTokens }, plan())
  return { gradient: engine.gradients[0]!, batches: engine.batches.length }
}

test("the cut into micro-batches changes the calls, not the gradient", async () => {
  for (const lossType of ["grpo", "bnpo", "dapo", "dr_grpo", "cispo", "sapo"] as const) {
    const whole = await gradientWith(1000, lossType)
    const cut = await gradientWith(6, lossType)
    expect([whole.batches, cut.batches]).toEqual([1, 4])
    for (const [c, row] of whole.gradient.entries())
      for (const [v, g] of row.entries()) expect(cut.gradient[c]![v]).toBeCloseTo(g, 12)
  }
})

test("a first pass on the sampling policy sees no difference, ratios of 1, and its advantages as the loss", async () => {
  const engine = new Watched(8, 2)
  const updated = await update(engine, groupsFor(engine), { ...specs.loss, lossType: "dapo" }, plan())
  expect(updated.onPolicy).toMatchObject({
    logpDifferenceMax: 0,
    ratioMin: 1,
    ratioMax: 1,
    tokens: 11,
    sequences: 5,
  })
  expect(updated.loss).toBeCloseTo(-(3 * 1 - 0.5 + 2 * 0.3 - 4 * 2 + 1) / 11, 6)
  expect(updated.gradNorm).toBeGreaterThan(0)
})

test("minibatches and passes: one optimizer step each, the schedule counts them all", async () => {
  const engine = new Watched(8, 2)
  const updated = await update(
    engine,
    groupsFor(engine),
    specs.loss,
    plan({ groupsPerUpdate: 1, iterations: 2, firstUpdate: 3, totalUpdates: 10 }),
  )
  expect(updated.updates).toBe(6)
  expect(engine.rates).toEqual([7, 6, 5, 4, 3, 2].map((tenths) => expect.closeTo((0.1 * tenths) / 10, 12)))
  expect(updated.onPolicy.logpDifferenceMax).toBe(0)
  expect(updated.stats.logpDifferenceMax).toBeGreaterThan(0)
})

test("each prompt is stored once, its completions after it", async () => {
  const engine = new Watched(8, 2)
  await update(engine, groupsFor(engine), specs.loss, plan())
  const { forest, mask } = engine.batches[0]!
  expect([...forest.parent]).toEqual([-1, 0, 0, -1, 3, 3, -1, 6])
  expect([...mask].filter((on) => on === 1)).toHaveLength(11)
  expect([...forest.tokens].filter((_, t) => mask[t] === 0)).toEqual([1, 2, 4, 2, 2, 2])
})

test("mask_truncated_completions leaves truncated ones out of the loss, not out of the sequences counted", async () => {
  const engine = new Watched(8, 2)
  const groups = groupsFor(engine)
  groups[1]!.samples[1]!.finishReason = "length"
  const { stats } = await update(engine, groups, { ...specs.loss, maskTruncated: true }, plan())
  expect(stats).toMatchObject({ tokens: 7, sequences: 4 })
  const { loss } = engine.batches[0]!
  expect(loss).toMatchObject({ numSequences: 5, numTokens: 7 })
})

test("beta > 0 takes the reference's log-probabilities", async () => {
  const engine = new Watched(8, 2)
  await engine.freeze()
  const groups = groupsFor(engine)
  const first = await update(engine, groups, { ...specs.loss, beta: 0.5 }, plan())
  expect(first.stats.klSum).toBeCloseTo(0, 6)
  const second = await update(engine, groups, { ...specs.loss, beta: 0.5 }, plan())
  expect(second.stats.klSum).toBeGreaterThan(0.01)
})

test("optimizer keys reach the engine under its names", () => {
  expect(stepOptions(specs.optimizer, 0.25)).toEqual({
    learningRate: 0.25,
    weightDecay: 0,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    maxGradNorm: 1,
  })
})
