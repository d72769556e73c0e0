// The three pieces of DAPO's punishment, equation 13 of its paper, at and between their joints.
import { expect, test } from "bun:test"
import { reward } from "@rectify/rewards/soft-overlong"

const scores = (max_completion_length: number, soft_overlong_cache: number, lengths: number[]) =>
  reward(
    lengths.map(() => ""),
    {
      prompts: lengths.map(() => ""),
      completion_ids: lengths.map((length) => new Int32Array(length)),
      answer: lengths.map(() => null),
    },
    { max_completion_length, soft_overlong_cache, think_start: "", think_end: "" },
  ).map(({ score }) => score)

test("nothing, a slope, and no less than -1", () => {
  expect(scores(100, 20, [0, 79, 80, 85, 95, 100, 130])).toEqual([0, 0, 0, -0.25, -0.75, -1, -1])
})

test("the margin is a fifth unless given, and no more than the limit", () => {
  expect(scores(100, 0, [80, 90])).toEqual([0, -0.5])
  expect(() => scores(100, 101, [1])).toThrow(
    "expected soft_overlong_cache of at most max_completion_length 100, got 101",
  )
})
