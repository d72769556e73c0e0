// Per-token advantages: where process rewards land, how they are summed from the end, and that alpha 0 is the plain estimator.
import { expect, test } from "bun:test"
import type { Judged, Point } from "../../packages/trainer/src/flow.ts"
import type { AdvantageSpec } from "../../packages/trainer/src/recipe.ts"
import { weigh } from "../../packages/trainer/src/weigh.ts"
import { group, prompt, scored } from "./fixtures.ts"

const spec = (given: Partial<AdvantageSpec> = {}): AdvantageSpec => ({
  name: "repro_grpo",
  scaleRewards: "group",
  alpha: 0.1,
  gamma: 1,
  ...given,
})

const thought = (length: number, positions: number[], rewards: number[], reward = 1): Judged => ({
  ...scored(
    Array.from({ length }, (_, i) => i),
    { reward },
  ),
  points: [0, ...positions].map(
    (position, j): Point => ({
      position,
      surrogate: -1,
      magnitude: 0,
      stability: 0,
      score: 0,
      reward: j === 0 ? 0 : rewards[j - 1]!,
    }),
  ),
})

/** repro.md 1.8: two responses of one group */
const published = () =>
  group(prompt([1], "a"), [
    thought(12, [2, 5, 6, 9], [0.364851, -0.081149, 0.424985, 0.241354]),
    thought(8, [3, 4, 8], [0.3, -0.05, 0.4]),
  ])

test("the published vector: constant within a span, 0 after the last point", async () => {
  const [{ samples }] = (await weigh([published()], spec({ alpha: 1 }))) as [
    Awaited<ReturnType<typeof weigh>>[number],
  ]
  const spans = [0.1699, 0.1699, -0.4781, -0.4781, -0.4781, 0.9947, 0.0608, 0.0608, 0.0608, 0, 0, 0]
  expect(Array.from(samples[0]!.advantages)).toEqual(spans.map((value) => expect.closeTo(value, 4)))
  expect(samples[0]!.advantage).toBe(0) // both rewards are equal
})

test("outcome plus alpha times process, token by token", async () => {
  const groups = [
    group(prompt([1], "a"), [thought(4, [2, 3], [0.4, 0.1], 1), thought(4, [1, 4], [0.2, 0.5], 0)]),
  ]
  const both = (await weigh(groups, spec({ alpha: 0.3 })))[0]!.samples
  const process = (await weigh(groups, spec({ alpha: 1 })))[0]!.samples
  const plain = (await weigh(groups, spec({ alpha: 0 })))[0]!.samples
  for (const i of [0, 1])
    for (const t of [0, 1, 2, 3]) {
      const alone = process[i]!.advantages[t]! - plain[i]!.advantages[t]!
      expect(both[i]!.advantages[t]).toBeCloseTo(plain[i]!.advantages[t]! + 0.3 * alone, 6)
    }
})

test("gamma discounts what is still to come, against a double loop", async () => {
  const groups = [group(prompt([1], "a"), [thought(7, [2, 4, 6], [1, 3, -1])])]
  const { samples } = (await weigh(groups, spec({ alpha: 1, gamma: 0.5, scaleRewards: "none" })))[0]!
  const z = [0, 2, -2] // less their mean
  const expected = [0, 1, 2, 3, 4, 5, 6].map((t) =>
    [1, 3, 5].reduce((sum, at, j) => (at >= t ? sum + 0.5 ** (at - t) * z[j]! : sum), 0),
  )
  expect(Array.from(samples[0]!.advantages)).toEqual(expected.map((value) => expect.closeTo(value, 6)))
})

test.each(["grpo", "reinforce_plus_plus", "reinforce_plus_plus_baseline"])(
  "alpha 0 is plain %s to the bit",
  async (name) => {
    const groups = [
      published(),
      group(prompt([2], "b", 1), [thought(5, [1], [0.3], 0), thought(3, [], [], 1)]),
    ]
    const plain = await weigh(groups, spec({ name }))
    const off = await weigh(groups, spec({ name: `repro_${name}`, alpha: 0 }))
    const on = await weigh(groups, spec({ name: `repro_${name}`, alpha: 0.1 }))
    const bits = (all: typeof plain) =>
      all.flatMap(({ samples }) =>
        samples.map(({ advantages }) => Buffer.from(advantages.buffer).toString("hex")),
      )
    expect(bits(off)).toEqual(bits(plain))
    expect(bits(on)).not.toEqual(bits(plain))
  },
)

test("completions that were not judged keep the outcome's advantage alone", async () => {
  const groups = [
    group(prompt([1], "a"), [
      thought(3, [1, 3], [0.1, 0.5], 1),
      { ...scored([1, 2], { reward: 0 }), points: [], skipped: "truncated" as const },
    ]),
  ]
  const { samples } = (await weigh(groups, spec()))[0]!
  expect(samples[1]!.processShare).toBe(0)
  expect(new Set(samples[1]!.advantages)).toEqual(new Set([Math.fround(samples[1]!.advantage)]))
})
