// Problems of column addition, judged by ordinary addition of big integers.
import { expect, test } from "bun:test"
import {
  answerOf,
  digit,
  drawProblem,
  isHeldOut,
  type Problem,
  promptOf,
  shownOf,
} from "@rectify/data/addition/problem"
import { CounterRandom } from "@rectify/data/counter-random"

const draw = (index: number, min: number, max: number, heldOut = false) =>
  drawProblem(new CounterRandom(4, 1, index), min, max, heldOut)

test("the example of the documentation", () => {
  const problem = { left: 547, right: 938, columns: 3 }
  expect(promptOf(problem)).toBe("<|user|> ones 7 + 8 tens 4 + 3 hundreds 5 + 9 ? <|assistant|> <think>")
  expect([answerOf(problem), shownOf(problem)]).toEqual(["1 4 8 5", "547 + 938"])
  expect([0, 1, 2, 3].map((column) => digit(547, column))).toEqual([7, 4, 5, 0])
})

test("answers are the sums, without leading zeros", () => {
  for (let index = 0; index < 2000; index++) {
    const problem = draw(index, 1, 5)
    expect(answerOf(problem).replaceAll(" ", "")).toBe(String(BigInt(problem.left) + BigInt(problem.right)))
  }
})

test("numbers have as many digits as the problem has columns, and every width is as likely", () => {
  const widths = new Map<number, number>()
  for (let index = 0; index < 4000; index++) {
    const { left, right, columns } = draw(index, 2, 5)
    expect([String(left).length, String(right).length]).toEqual([columns, columns])
    widths.set(columns, (widths.get(columns) ?? 0) + 1)
  }
  expect([...widths.keys()].sort()).toEqual([2, 3, 4, 5])
  for (const count of widths.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(750))
})

test("a sixteenth of all pairs is held out, in whichever order they are added", () => {
  let heldOut = 0
  for (let left = 10; left < 100; left++)
    for (let right = left; right < 100; right++) {
      const problem: Problem = { left, right, columns: 2 }
      expect(isHeldOut({ ...problem, left: right, right: left })).toBe(isHeldOut(problem))
      if (isHeldOut(problem)) heldOut++
    }
  const pairs = (90 * 91) / 2
  expect(Math.abs(heldOut - pairs / 16)).toBeLessThan(4 * Math.sqrt((pairs * 15) / 256))
  for (let index = 0; index < 300; index++)
    for (const side of [true, false]) expect(isHeldOut(draw(index, 1, 5, side))).toBe(side)
})
