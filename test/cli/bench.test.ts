// The line of a benchmark: a ratio above 1 always means that ours is better.
import { expect, test } from "bun:test"
import { benchLine } from "@rectify/cli"

test("less is better in milliseconds and MiB, more is better in rates", () => {
  expect(benchLine("b", { case: "c", ours: 2, unit: "ms", peer: "torch", theirs: 6 })).toEqual({
    bench: "b",
    case: "c",
    ours: 2,
    unit: "ms",
    peer: "torch",
    theirs: 6,
    ratio: 3,
  })
  expect(benchLine("b", { case: "c", ours: 200, unit: "GFLOP/s", peer: "torch", theirs: 100 }).ratio).toBe(2)
})

test("without a peer there is no ratio", () => {
  const line = benchLine("b", { case: "c", ours: 2, unit: "ms" })
  expect(line).toMatchObject({ peer: null, theirs: null, ratio: null })
})

test("a ratio given by the benchmark stands", () => {
  expect(benchLine("b", { case: "c", ours: 2, unit: "ms", theirs: 6, ratio: 9 }).ratio).toBe(9)
})
