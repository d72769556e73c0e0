// Reads a thought back, statement by statement, and counts which of its checks repaired something and which did nothing.
import type { Measures } from "../types.ts"
import { digit, type Problem, places } from "./problem.ts"
import { checkPhrase, redoPhrase } from "./thought.ts"

interface Statement {
  right: boolean
  carry: number
}

const stepPattern = new RegExp(`^(${places.join("|")}) (\\d) \\+ (\\d) \\+ (\\d) = (\\d) (\\d)$`)

/** Right: the problem's own digits, the carry the chain has so far, and a sum that is true. */
function readStep(problem: Problem, sentence: string, said: Map<number, Statement>) {
  const match = stepPattern.exec(sentence)
  if (match === null) return null
  const column = places.indexOf(match[1] as (typeof places)[number])
  const [left, right, carryIn, carry, ones] = match.slice(2).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const holds =
    column < problem.columns &&
    left === digit(problem.left, column) &&
    right === digit(problem.right, column) &&
    carryIn === (column === 0 ? 0 : said.get(column - 1)?.carry) &&
    carry * 10 + ones === left + right + carryIn
  return { column, statement: { right: holds, carry } }
}

/** `rechecks` counts every check; a needless one repeats what was right, a repairing one puts right what was wrong. */
export function measureThought(problem: Problem, completion: string): Measures {
  const measures = { rechecks: 0, needless_rechecks: 0, repairing_rechecks: 0, restarts: 0 }
  const said = new Map<number, Statement>()
  const thought = completion.split("</think>")[0]!
  for (const words of thought.split(" .")) {
    const sentence = words.trim()
    if (`${sentence} .` === redoPhrase) measures.restarts++
    const isCheck = sentence.startsWith("Wait")
    if (isCheck) measures.rechecks++
    const step = readStep(problem, sentence.replace(checkPhrase, "").trim(), said)
    if (step === null) continue
    const before = said.get(step.column)
    if (isCheck && before !== undefined && step.statement.right)
      measures[before.right ? "needless_rechecks" : "repairing_rechecks"]++
    said.set(step.column, step.statement)
  }
  return measures
}
