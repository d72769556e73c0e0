// Philox against the published test vectors of Random123, and the shapes drawn from it against their distributions.
import { expect, test } from "bun:test"
import { CounterRandom, philox } from "@rectify/data"

test("the known answers of Random123 (kat_vectors, philox4x32 10)", () => {
  const ones = 0xffffffff
  expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
    0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
  ])
  expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
    0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
  ])
})

const draw = (random: CounterRandom, n: number) => Array.from({ length: n }, () => random.uint32())

test("a key gives its sequence; every part of the key gives another", () => {
  const sequence = draw(new CounterRandom(1, 2, 3), 9)
  expect(draw(new CounterRandom(1, 2, 3), 9)).toEqual(sequence)
  const keys: [number, number, number][] = [
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
    [1 + 2 ** 32, 2, 3],
    [1, 2, 3 + 2 ** 32],
  ]
  for (const key of keys) expect(draw(new CounterRandom(...key), 9)).not.toEqual(sequence)
})

test("below(n) is even: chi-square of 7 bins over neighbouring indices", () => {
  const counts = new Array(7).fill(0)
  for (let index = 0; index < 70_000; index++) counts[new CounterRandom(5, 1, index).below(7)]++
  const chi2 = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
  expect(chi2).toBeLessThan(22.5) // 0.1 % point of 6 degrees of freedom
})

test("unit() lies in [0, 1) and chance(p) keeps p", () => {
  const random = new CounterRandom(9, 0, 0)
  let hits = 0
  for (let i = 0; i < 40_000; i++) {
    const value = random.unit()
    expect(value >= 0 && value < 1).toBe(true)
    if (random.chance(0.3)) hits++
  }
  expect(Math.abs(hits - 12_000)).toBeLessThan(4 * Math.sqrt(40_000 * 0.3 * 0.7))
})

test("a permutation holds each number once, and each place sees each number", () => {
  const first = new Array(5).fill(0)
  for (let index = 0; index < 5000; index++) {
    const order = new CounterRandom(1, 1, index).permutation(5)
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4])
    first[order[0]!]++
  }
  for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(120)
})
