// Two numbers to be added column by column, lowest first: how a problem is drawn, split, written and answered.
import { CounterRandom } from "../counter-random.ts"

/** Column names, lowest first; their number is the widest problem there can be. */
export const places = ["ones", "tens", "hundreds", "thousands", "ten-thousands"] as const

export interface Problem {
  left: number
  right: number
  columns: number
}

const splitSeed = 20_260_101
const heldOutShare = 1 / 16

/** A fixed sixteenth of all pairs is kept for evaluation, whatever the seed of the run; a + b goes with b + a. */
export function isHeldOut({ left, right }: Problem): boolean {
  const pair = Math.min(left, right) * 100_000 + Math.max(left, right)
  return new CounterRandom(splitSeed, 0, pair).chance(heldOutShare)
}

function drawNumber(columns: number, random: CounterRandom): number {
  const least = columns === 1 ? 0 : 10 ** (columns - 1)
  return least + random.below(10 ** columns - least)
}

/** Draws until the problem lies on the wanted side of the split. */
export function drawProblem(random: CounterRandom, min: number, max: number, heldOut: boolean): Problem {
  for (;;) {
    const columns = min + random.below(max - min + 1)
    const problem = { left: drawNumber(columns, random), right: drawNumber(columns, random), columns }
    if (isHeldOut(problem) === heldOut) return problem
  }
}

/** The digit of `value` in a column, 0 being the ones. */
export const digit = (value: number, column: number) => Math.floor(value / 10 ** column) % 10

/** Ends inside the thought: what the policy writes next is its first step. */
export function promptOf({ left, right, columns }: Problem): string {
  const written = Array.from(
    { length: columns },
    (_, column) => `${places[column]} ${digit(left, column)} + ${digit(right, column)}`,
  )
  return `<|user|> ${written.join(" ")} ? <|assistant|> <think>`
}

export const shownOf = ({ left, right }: Problem) => `${left} + ${right}`

export const answerOf = ({ left, right }: Problem) => [...String(left + right)].join(" ")
