// Writes a thought about a problem as a doubting student would: wrong attempts, repairs, and many checks of what was right already.
import type { CounterRandom } from "../counter-random.ts"
import { digit, type Problem, places } from "./problem.ts"

/** Probabilities, each given that its turn comes. */
export interface Doubts {
  /** a first attempt is wrong: in 30 % of cases its carry, otherwise its digit */
  p_err: number
  /** a wrong attempt is checked, and thereby repaired */
  p_caught: number
  /** a right attempt is checked */
  p_recheck: number
  /** a needless check is followed by another */
  p_again: number
  /** the whole chain is gone through a second time */
  p_redo: number
}

export const wrongCarryShare = 0.3
export const checkPhrase = "Wait , let me check again :"
export const redoPhrase = "Now let me verify from the start ."

export interface Thought {
  text: string
  /** offsets of `text` just after each "." */
  ends: number[]
  /** what would be answered at each of `ends`: the columns as written, those not yet written done rightly */
  beliefs: string[]
  /** what the finished thought says */
  answer: string
}

interface Step {
  digit: number
  carry: number
}

function rightStep(problem: Problem, column: number, carryIn: number): Step {
  const sum = digit(problem.left, column) + digit(problem.right, column) + carryIn
  return { digit: sum % 10, carry: sum >= 10 ? 1 : 0 }
}

function wrongStep(right: Step, random: CounterRandom): Step {
  if (random.chance(wrongCarryShare)) return { ...right, carry: 1 - right.carry }
  return { ...right, digit: (right.digit + 1 + random.below(9)) % 10 }
}

/** The answer of a chain whose first columns are `steps`, the rest done rightly. */
export function answerFrom(problem: Problem, steps: readonly Step[]): string {
  const digits: number[] = []
  let carry = 0
  for (let column = 0; column < problem.columns; column++) {
    const step = steps[column] ?? rightStep(problem, column, carry)
    digits.unshift(step.digit)
    carry = step.carry
  }
  if (carry === 1) digits.unshift(carry)
  return digits.join(" ")
}

export function writeThought(problem: Problem, doubts: Doubts, random: CounterRandom): Thought {
  const steps: Step[] = []
  const ends: number[] = []
  const beliefs: string[] = []
  let text = ""
  const write = (sentence: string) => {
    text += text === "" ? sentence : ` ${sentence}`
    ends.push(text.length)
    beliefs.push(answerFrom(problem, steps))
  }
  const state = (column: number, carryIn: number, step: Step, phrase: string) => {
    steps[column] = step
    const sum = `${digit(problem.left, column)} + ${digit(problem.right, column)} + ${carryIn}`
    write(`${phrase}${places[column]} ${sum} = ${step.carry} ${step.digit} .`)
  }
  const chain = () => {
    let carry = 0
    for (let column = 0; column < problem.columns; column++) {
      const right = rightStep(problem, column, carry)
      const check = () => state(column, carry, right, `${checkPhrase} `)
      if (random.chance(doubts.p_err)) {
        state(column, carry, wrongStep(right, random), "")
        if (random.chance(doubts.p_caught)) check()
      } else {
        state(column, carry, right, "")
        for (let p = doubts.p_recheck; random.chance(p); p = doubts.p_again) check()
      }
      carry = steps[column]!.carry
    }
  }
  chain()
  if (random.chance(doubts.p_redo)) {
    write(redoPhrase)
    chain()
  }
  return { text, ends, beliefs, answer: beliefs.at(-1)! }
}
