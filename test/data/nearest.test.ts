// Edit distances by hand, and when a suggestion is worth making.
import { expect, test } from "bun:test"
import { editDistance, nearest } from "@rectify/data"

test("insertions, deletions, replacements and swaps cost one each", () => {
  const cases: [string, string, number][] = [
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["kitten", "sitting", 3],
    ["epsilno", "epsilon", 1],
    ["ab", "ba", 1],
  ]
  for (const [a, b, distance] of cases) {
    expect(editDistance(a, b)).toBe(distance)
    expect(editDistance(b, a)).toBe(distance)
  }
})

test("the nearest is named, whatever its case, and nothing when all are far", () => {
  expect(nearest("acuracy", ["format", "accuracy"])).toBe("accuracy")
  expect(nearest("JSONL", ["jsonl"])).toBe("jsonl")
  expect(nearest("poetry", ["jsonl", "column-addition"])).toBeUndefined()
})
