// Learning rates against their formulas, at the ends and in the middle.
import { expect, test } from "bun:test"
import { learningRateAt, type Schedule } from "../../packages/trainer/src/schedule.ts"

const schedule = (given: Partial<Schedule>): Schedule => ({
  learningRate: 2,
  type: "linear",
  warmupSteps: 0,
  minLrRate: 0,
  ...given,
})
const rates = (given: Partial<Schedule>, total: number) =>
  Array.from({ length: total }, (_, update) => learningRateAt(schedule(given), update, total))

test("linear falls to 0 just after the last update", () => {
  expect(rates({}, 4)).toEqual([2, 1.5, 1, 0.5])
})

test("a warm-up rises to the peak, without an update at rate 0", () => {
  expect(rates({ warmupSteps: 2 }, 4)).toEqual([1, 2, 2, 1])
  expect(rates({ warmupSteps: 4, type: "constant_with_warmup" }, 6)).toEqual([0.5, 1, 1.5, 2, 2, 2])
})

test("cosine is half way in the middle and ends at min_lr_rate", () => {
  const all = rates({ type: "cosine", minLrRate: 0.1 }, 100)
  expect(all[0]).toBe(2)
  expect(all[50]).toBeCloseTo(2 * (0.1 + 0.9 * 0.5), 12)
  expect(learningRateAt(schedule({ type: "cosine", minLrRate: 0.1 }), 100, 100)).toBeCloseTo(0.2, 12)
})

test("constant knows no warm-up, and an over-long warm-up never divides by 0", () => {
  expect(rates({ type: "constant", warmupSteps: 3 }, 3)).toEqual([2, 2, 2])
  expect(rates({ warmupSteps: 10 }, 3)).toEqual([0.2, 0.4, 0.6].map((rate) => expect.closeTo(rate, 12)))
})
