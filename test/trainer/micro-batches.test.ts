// Every sample lands in exactly one micro-batch, none of which is too large.
import { expect, test } from "bun:test"
import fc from "fast-check"
import { microBatches } from "../../packages/trainer/src/micro-batches.ts"

test("whole groups while they fit", () => {
  const groups = [
    { prompt: 2, samples: [3, 3] },
    { prompt: 2, samples: [1] },
    { prompt: 2, samples: [5] },
  ]
  expect(microBatches(groups, 11)).toEqual([
    [
      { group: 0, samples: [0, 1] },
      { group: 1, samples: [0] },
    ],
    [{ group: 2, samples: [0] }],
  ])
})

test("a group too large is split, its prompt repeated", () => {
  expect(microBatches([{ prompt: 4, samples: [3, 3, 3] }], 10)).toEqual([
    [{ group: 0, samples: [0, 1] }],
    [{ group: 0, samples: [2] }],
  ])
})

test("a completion that can never fit says which key to raise", () => {
  expect(() => microBatches([{ prompt: 4, samples: [7] }], 10)).toThrow("max_batch_tokens")
})

test("nothing is lost, doubled or too large", () => {
  const costs = fc.array(
    fc.record({
      prompt: fc.integer({ min: 1, max: 9 }),
      samples: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 6 }),
    }),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(costs, fc.integer({ min: 29, max: 80 }), (groups, most) => {
      const batches = microBatches(groups, most)
      const seen: string[] = []
      for (const batch of batches) {
        let tokens = 0
        for (const { group, samples } of batch) {
          tokens += groups[group]!.prompt
          for (const sample of samples) {
            tokens += groups[group]!.samples[sample]!
            seen.push(`${group}/${sample}`)
          }
        }
        expect(tokens).toBeLessThanOrEqual(most)
      }
      const wanted = groups.flatMap(({ samples }, g) =>
        samples.flatMap((cost, s) => (cost > 0 ? [`${g}/${s}`] : [])),
      )
      expect(seen).toEqual(wanted)
    }),
  )
})
