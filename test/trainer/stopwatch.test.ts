// Stages add up under their names, the whole under "step".
import { expect, test } from "bun:test"
import { stopwatch } from "../../packages/trainer/src/stopwatch.ts"

test("seconds by name", async () => {
  let now = 0
  const watch = stopwatch(() => now)
  const work = (ms: number) => async () => {
    now += ms
    return ms
  }
  expect(await watch.time("gen", work(1500))).toBe(1500)
  await watch.time("reward", work(250))
  await watch.time("gen", work(500))
  now += 1000
  expect(watch.timings()).toEqual({ gen: 2, reward: 0.25, step: 3.25 })
})
