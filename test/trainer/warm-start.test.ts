// Supervised stages: what carries loss, the curriculum, the schedule over all stages, and any cut into micro-batches.
import { expect, test } from "bun:test"
import type { Dataset } from "@rectify/data"
import type { StepOptions, TrainBatch } from "@rectify/engine"
import type { WarmStartKeys } from "../../packages/trainer/src/recipe/stage-schema.ts"
import { warmStart } from "../../packages/trainer/src/warm-start.ts"
import { FakeEngine } from "./fake-engine.ts"
import { asTokenizer, pieceTokenizer, recipe } from "./fixtures.ts"

class Watched extends FakeEngine {
  batches: TrainBatch[] = []
  steps: StepOptions[] = []
  gradients: number[][][] = []
  override async train(batch: TrainBatch) {
    this.batches.push(batch)
    return super.train(batch)
  }
  override async step(options: StepOptions) {
    this.steps.push(options)
    this.gradients.push(this.gradient)
    return super.step(options)
  }
}

const tokenizer = asTokenizer(pieceTokenizer(["a", "b", "c"]))
const asked: [number, unknown][] = []
const dataset = {
  name: "rows",
  demonstration: (index: number, stage: unknown) => {
    asked.push([index, stage])
    return { prompt: "a", completion: index % 2 === 0 ? "bcc" : "bc", trainFrom: index % 2 === 0 ? 1 : 0 }
  },
} as unknown as Dataset
const keys = (given: Record<string, unknown> = {}): WarmStartKeys =>
  recipe({
    warm_start: {
      stages: [
        { name: "one", steps: 2, dataset: { easy: true } },
        { name: "two", steps: 1 },
      ],
      batch_size: 2,
      learning_rate: 0.5,
      lr_scheduler_type: "linear",
      ...given,
    },
  }).keys.warm_start!
const quiet = { maxBatchTokens: 100, onStep: () => {} }

test("loss on the completion from trainFrom on, and on the token that ends it", async () => {
  const engine = new Watched(4)
  await warmStart(engine, dataset, tokenizer, keys(), quiet)
  const { forest, mask, loss, temperature } = engine.batches[0]!
  expect([...forest.tokens]).toEqual([1, 2, 3, 3, 0, 1, 2, 3, 0])
  expect([...mask]).toEqual([0, 0, 1, 1, 1, 0, 1, 1, 1])
  expect(temperature).toBe(1)
  expect(loss.kind === "sft" && [...loss.weights]).toEqual([...mask].map((on) => Math.fround(on / 6)))
})

test("stages in order, rows never repeated, one schedule", async () => {
  asked.length = 0
  const engine = new Watched(4)
  const told: unknown[] = []
  expect(
    await warmStart(engine, dataset, tokenizer, keys(), {
      ...quiet,
      onStep: ({ step, stage }) => void told.push([step, stage]),
    }),
  ).toBe(true)
  expect(asked).toEqual([
    [0, { easy: true }],
    [1, { easy: true }],
    [2, { easy: true }],
    [3, { easy: true }],
    [4, {}],
    [5, {}],
  ])
  expect(told).toEqual([
    [1, "one"],
    [2, "one"],
    [3, "two"],
  ])
  expect(engine.steps.map(({ learningRate }) => learningRate)).toEqual(
    [0.5, 1 / 3, 1 / 6].map((rate) => expect.closeTo(rate, 12)),
  )
})

test("micro-batches add up to the same gradient", async () => {
  const [whole, cut] = [new Watched(4), new Watched(4)]
  await warmStart(whole, dataset, tokenizer, keys(), quiet)
  await warmStart(cut, dataset, tokenizer, keys(), { ...quiet, maxBatchTokens: 5 })
  expect([whole.batches.length, cut.batches.length]).toEqual([3, 6])
  for (const [c, row] of whole.gradients[0]!.entries())
    for (const [v, g] of row.entries()) expect(cut.gradients[0]![c]![v]).toBeCloseTo(g, 12)
})

test("the loss falls", async () => {
  const losses: number[] = []
  const more = keys({ stages: [{ name: "one", steps: 30 }] })
  await warmStart(new FakeEngine(4), dataset, tokenizer, more, {
    ...quiet,
    onStep: ({ loss }) => void losses.push(loss),
  })
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4)
})

test("an interruption ends it between steps; a dataset without demonstrations is refused", async () => {
  const stop = new AbortController()
  const engine = new Watched(4)
  const options = { ...quiet, signal: stop.signal, onStep: () => stop.abort() }
  expect(await warmStart(engine, dataset, tokenizer, keys(), options)).toBe(false)
  expect(engine.steps.length).toBe(1)
  expect(warmStart(engine, { name: "rows" } as Dataset, tokenizer, keys(), quiet)).rejects.toThrow(
    "demonstrations",
  )
})
