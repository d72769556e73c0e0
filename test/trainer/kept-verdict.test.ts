// Kept for the same questions to the same policy, asked again for any other.
import { expect, test } from "bun:test"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { keptVerdict } from "../../packages/trainer/src/kept-verdict.ts"
import { recipe } from "./fixtures.ts"

const dir = mkdtempSync(join(tmpdir(), "rectify-verdict-"))
let asked = 0
const evaluate = async () => ({
  evaluation: {
    accuracy: 0.5,
    mean_length: ++asked,
    clipped_ratio: 0,
    reward: 0.5,
    samples: 4,
    measures: { doubts: 2 },
  },
  sample: { prompt: "1 + 1", completion: "2", reward: 1, answer: "2" },
})

test("asked once for one recipe, whatever its length and folder", async () => {
  const first = await keptVerdict(dir, recipe({}), evaluate)
  expect(
    await keptVerdict(dir, recipe({ max_steps: 7, output_dir: "elsewhere", threads: 2 }), evaluate),
  ).toEqual(first)
  expect(asked).toBe(1)
})

test("another evaluation, reward, or policy is asked anew", async () => {
  const before = asked
  await keptVerdict(dir, recipe({ evaluation: { size: 3 } }), evaluate)
  await keptVerdict(dir, recipe({ reward_funcs: ["accuracy", "format"] }), evaluate)
  await keptVerdict(null, recipe({}), evaluate)
  await keptVerdict(null, recipe({}), evaluate)
  expect(asked - before).toBe(4)
})

test("a reward file that changed is another reward", async () => {
  const before = asked
  const file = join(dir, "mine.ts")
  writeFileSync(file, "export const a = 1")
  const mine = { keys: recipe({}).keys, rewards: [{ name: file, weight: 1 }] }
  await keptVerdict(dir, mine, evaluate)
  await keptVerdict(dir, mine, evaluate)
  writeFileSync(file, "export const a = 2")
  await keptVerdict(dir, mine, evaluate)
  expect(asked - before).toBe(2)
})
