// Which boundaries are kept: fewer than, as many as and more than k, with ties, and the controls.
import { expect, test } from "bun:test"
import { select } from "../../packages/trainer/src/select.ts"

const key = { seed: 1, step: 2, prompt: 3, sample: 4 }
const entropy = [0, 0.5, 0.1, 0.9, 0, 0.9, 0.3]

test("the k of highest entropy at the first token after the break, in order", () => {
  expect(select([1, 2, 3, 6], entropy, { selection: "entropy", k: 2, key })).toEqual([1, 3])
})

test("fewer candidates than k, and as many, are all kept", () => {
  expect(select([1, 2], entropy, { selection: "entropy", k: 3, key })).toEqual([1, 2])
  expect(select([1, 2, 3], entropy, { selection: "entropy", k: 3, key })).toEqual([1, 2, 3])
  expect(select([], entropy, { selection: "entropy", k: 3, key })).toEqual([])
})

test("ties go to the earlier, and an entropy of exactly 0 is a candidate like any other", () => {
  expect(select([3, 5, 6], entropy, { selection: "entropy", k: 1, key })).toEqual([3])
  expect(select([4, 2, 1].sort(), entropy, { selection: "entropy", k: 3, key })).toEqual([1, 2, 4])
})

test("k = 0 keeps none, selection all keeps every one", () => {
  expect(select([1, 2, 3], entropy, { selection: "entropy", k: 0, key })).toEqual([])
  expect(select([1, 2, 3], entropy, { selection: "all", k: 1, key })).toEqual([1, 2, 3])
})

test("even: spread over the candidates, none twice", () => {
  const candidates = Array.from({ length: 10 }, (_, i) => i + 1)
  expect(select(candidates, entropy, { selection: "even", k: 1, key })).toEqual([6])
  expect(select(candidates, entropy, { selection: "even", k: 5, key })).toEqual([2, 4, 6, 8, 10])
  for (let k = 1; k < 10; k++)
    expect(new Set(select(candidates, entropy, { selection: "even", k, key })).size).toBe(k)
})

test("random: by key, not by call, and each boundary about as often", () => {
  const candidates = [1, 2, 3, 4]
  const counts = new Map<number, number>()
  for (let sample = 0; sample < 4000; sample++) {
    const options = { selection: "random" as const, k: 2, key: { ...key, sample } }
    const chosen = select(candidates, entropy, options)
    expect(select(candidates, entropy, options)).toEqual(chosen)
    for (const p of chosen) counts.set(p, (counts.get(p) ?? 0) + 1)
  }
  for (const p of candidates) expect(counts.get(p)).toBeWithin(1850, 2150)
})
