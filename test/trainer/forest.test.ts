// Token forests come out as they were put together, and impossible ones are refused.
import { expect, test } from "bun:test"
import { ForestBuilder } from "../../packages/trainer/src/forest.ts"
import { paths } from "./fake-engine.ts"

test("a prompt, two completions and an answer inside one of them", () => {
  const builder = new ForestBuilder()
  const root = builder.root([1, 2, 3])
  const first = builder.branch(root, 3, [4, 5, 6])
  builder.branch(root, 3, [7])
  const answer = builder.branch(first, 2, [8, 9])
  const forest = builder.build()
  expect(forest).toEqual({
    parent: Int32Array.of(-1, 0, 0, 1),
    parentLength: Int32Array.of(0, 3, 3, 2),
    length: Int32Array.of(3, 3, 1, 2),
    tokens: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
  })
  expect(builder.start(answer)).toBe(7)
  expect(paths(forest)[8]).toEqual([1, 2, 3, 4, 5, 8])
})

test("empty segments and prefixes longer than the parent are refused", () => {
  const builder = new ForestBuilder()
  const root = builder.root([1, 2])
  expect(() => builder.root([])).toThrow("at least one token")
  expect(() => builder.branch(root, 3, [1])).toThrow("1..2, got 3")
  expect(() => builder.branch(root, 0, [1])).toThrow("1..2, got 0")
})
