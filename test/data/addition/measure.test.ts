// Checks counted by hand-made thoughts, and against the generator, which knows what it wrote.
import { expect, test } from "bun:test"
import { measureThought } from "@rectify/data/addition/measure"
import { drawProblem } from "@rectify/data/addition/problem"
import { type Doubts, writeThought } from "@rectify/data/addition/thought"
import { CounterRandom } from "@rectify/data/counter-random"

const problem = { left: 47, right: 38, columns: 2 }
const zero = { rechecks: 0, needless_rechecks: 0, repairing_rechecks: 0, restarts: 0 }
const check = "Wait , let me check again :"
const ones = "ones 7 + 8 + 0 = 1 5 ."

test("by hand", () => {
  const cases: [string, Partial<typeof zero>][] = [
    [`${ones} tens 4 + 3 + 1 = 0 8 . </think> 8 5`, {}],
    [`${ones} ${check} ${ones}`, { rechecks: 1, needless_rechecks: 1 }],
    [`ones 7 + 8 + 0 = 0 5 . ${check} ${ones}`, { rechecks: 1, repairing_rechecks: 1 }],
    // right before, wrong after; wrong before and after: neither idle nor repairing
    [`${ones} ${check} ones 7 + 8 + 0 = 1 6 .`, { rechecks: 1 }],
    [`ones 7 + 8 + 0 = 1 4 . ${check} ones 7 + 8 + 0 = 1 6 .`, { rechecks: 1 }],
    // a true sum of other digits, or with a carry the chain has not, is not right
    [`ones 7 + 7 + 0 = 1 4 . ${check} ${ones}`, { rechecks: 1, repairing_rechecks: 1 }],
    [
      `${ones} tens 4 + 3 + 0 = 0 7 . ${check} tens 4 + 3 + 1 = 0 8 .`,
      { rechecks: 1, repairing_rechecks: 1 },
    ],
    // nothing to check yet, nonsense, and what comes after the thought
    [`${check} ${ones}`, { rechecks: 1 }],
    [`Wait Wait , 5 . ${ones}`, { rechecks: 1 }],
    [`${ones} </think> 8 5 . ${check} ${ones}`, {}],
    [`${ones} Now let me verify from the start . ${ones}`, { restarts: 1 }],
    ["", {}],
  ]
  for (const [completion, expected] of cases)
    expect(measureThought(problem, completion)).toEqual({ ...zero, ...expected })
})

test("of generated thoughts", () => {
  const doubts: Doubts = { p_err: 0.3, p_caught: 0.75, p_recheck: 0.55, p_again: 0.25, p_redo: 0.1 }
  for (let index = 0; index < 500; index++) {
    const random = new CounterRandom(2, 9, index)
    const drawn = drawProblem(random, 1, 5, false)
    const idle = writeThought(drawn, { ...doubts, p_err: 0 }, random).text
    const said = idle.split(" ").filter((word) => word === "Wait").length
    expect(measureThought(drawn, idle)).toMatchObject({ rechecks: said, needless_rechecks: said })
    const repaired = writeThought(drawn, { ...doubts, p_recheck: 0, p_redo: 0 }, random).text
    const repairs = repaired.split(" ").filter((word) => word === "Wait").length
    expect(measureThought(drawn, repaired)).toEqual({
      ...zero,
      rechecks: repairs,
      repairing_rechecks: repairs,
    })
  }
})
