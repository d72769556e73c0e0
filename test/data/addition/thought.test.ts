// Thoughts: the example of the documentation, and the share of each kind of doubt against its own probability.
import { expect, test } from "bun:test"
import { answerOf, drawProblem } from "@rectify/data/addition/problem"
import {
  answerFrom,
  checkPhrase,
  type Doubts,
  redoPhrase,
  writeThought,
} from "@rectify/data/addition/thought"
import { CounterRandom } from "@rectify/data/counter-random"

const none: Doubts = { p_err: 0, p_caught: 0, p_recheck: 0, p_again: 0, p_redo: 0 }
const random = (index: number) => new CounterRandom(11, 3, index)
const problem = { left: 547, right: 938, columns: 3 }

test("without doubts the thought is the shortest, and right", () => {
  const thought = writeThought(problem, none, random(0))
  expect(thought.text).toBe("ones 7 + 8 + 0 = 1 5 . tens 4 + 3 + 1 = 0 8 . hundreds 5 + 9 + 0 = 1 4 .")
  expect(thought.ends.map((end) => thought.text.slice(end - 1, end))).toEqual([".", ".", "."])
  expect(thought.answer).toBe("1 4 8 5")
})

test("certain doubts come each time", () => {
  const checked = writeThought({ left: 5, right: 6, columns: 1 }, { ...none, p_recheck: 1 }, random(0))
  expect(checked.text).toBe(`ones 5 + 6 + 0 = 1 1 . ${checkPhrase} ones 5 + 6 + 0 = 1 1 .`)
  expect(checkPhrase.split(" ").length + "ones 5 + 6 + 0 = 1 1 .".split(" ").length).toBe(17)
  const redone = writeThought({ left: 5, right: 6, columns: 1 }, { ...none, p_redo: 1 }, random(0))
  expect(redone.text).toBe(`ones 5 + 6 + 0 = 1 1 . ${redoPhrase} ones 5 + 6 + 0 = 1 1 .`)
  for (let index = 0; index < 200; index++) {
    const caught = writeThought(problem, { ...none, p_err: 1, p_caught: 1 }, random(index))
    expect(caught.answer).toBe("1 4 8 5")
    const wrong = writeThought(problem, { ...none, p_err: 1 }, random(index))
    expect(wrong.text.split(" .").length).toBe(4)
  }
})

test("a belief is what is written, and the rest done rightly", () => {
  expect(answerFrom(problem, [])).toBe("1 4 8 5")
  expect(answerFrom(problem, [{ digit: 6, carry: 0 }])).toBe("1 4 7 6")
  expect(answerFrom({ left: 99, right: 0, columns: 2 }, [{ digit: 9, carry: 1 }])).toBe("1 0 9")
})

interface Attempt {
  first: { right: boolean; carryOff: boolean }
  checks: number
}

/** A reader of its own: attempts and the checks that follow each, within one pass over the columns. */
function attempts(pass: string): Attempt[] {
  const found: Attempt[] = []
  for (const sentence of pass.split(" .").filter((words) => words.trim() !== "")) {
    if (sentence.includes("Wait")) {
      found.at(-1)!.checks++
      continue
    }
    const [, a, , b, , c, , carry, ones] = sentence.trim().split(" ").map(Number) as number[]
    const sum = BigInt(a!) + BigInt(b!) + BigInt(c!)
    const right = BigInt(carry!) * 10n + BigInt(ones!) === sum
    found.push({ first: { right, carryOff: BigInt(carry!) !== sum / 10n }, checks: 0 })
  }
  return found
}

/** Within 4.5 standard deviations of a binomial count. */
function expectShare(hits: number, n: number, p: number) {
  expect(n).toBeGreaterThan(100)
  expect(Math.abs(hits - n * p)).toBeLessThan(4.5 * Math.sqrt(n * p * (1 - p)) + 1)
}

test("doubts come with their own probabilities", () => {
  const doubts: Doubts = { p_err: 0.3, p_caught: 0.75, p_recheck: 0.55, p_again: 0.25, p_redo: 0.06 }
  const all: Attempt[] = []
  let redone = 0
  const n = 4000
  for (let index = 0; index < n; index++) {
    const drawn = drawProblem(random(index), 2, 5, false)
    const passes = writeThought(drawn, doubts, random(index + n)).text.split(redoPhrase)
    redone += passes.length - 1
    for (const pass of passes) {
      expect(attempts(pass).length).toBe(drawn.columns)
      all.push(...attempts(pass))
    }
  }
  const wrong = all.filter(({ first }) => !first.right)
  const right = all.filter(({ first }) => first.right)
  const checked = right.filter(({ checks }) => checks > 0)
  expectShare(redone, n, 0.06)
  expectShare(wrong.length, all.length, 0.3)
  expectShare(wrong.filter(({ first }) => first.carryOff).length, wrong.length, 0.3)
  expectShare(wrong.filter(({ checks }) => checks === 1).length, wrong.length, 0.75)
  expect(wrong.every(({ checks }) => checks <= 1)).toBe(true)
  expectShare(checked.length, right.length, 0.55)
  const twice = checked.filter(({ checks }) => checks > 1)
  expectShare(twice.length, checked.length, 0.25)
  expectShare(twice.filter(({ checks }) => checks > 2).length, twice.length, 0.25)
})

test("the answer is the chain's own, read from the last word on each column", () => {
  const doubts: Doubts = { p_err: 0.4, p_caught: 0.5, p_recheck: 0.3, p_again: 0.2, p_redo: 0.3 }
  let wrong = 0
  for (let index = 0; index < 1000; index++) {
    const drawn = drawProblem(random(index), 2, 5, false)
    const { text, answer } = writeThought(drawn, doubts, random(index))
    const last = new Map<string, [number, number]>()
    for (const [, place, carry, ones] of text.matchAll(/([a-z-]+) \d \+ \d \+ \d = (\d) (\d)/g))
      last.set(place!, [Number(carry), Number(ones)])
    const columns = [...last.values()]
    const number = columns.reduce((sum, [, ones], place) => sum + BigInt(ones) * 10n ** BigInt(place), 0n)
    const carry = BigInt(columns.at(-1)![0]) * 10n ** BigInt(drawn.columns)
    expect(BigInt(answer.replaceAll(" ", ""))).toBe(number + carry)
    if (answer !== answerOf(drawn)) wrong++
  }
  expect(wrong).toBeGreaterThan(100)
})
