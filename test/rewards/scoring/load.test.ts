// Rewards are found by the name of their file, by the names other tools use, and by path.
import { expect, test } from "bun:test"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadReward, rewardNames } from "@rectify/rewards"

test("every file beside index.ts is a reward", async () => {
  expect(rewardNames()).toEqual(
    expect.arrayContaining(["accuracy", "format", "length-penalty", "soft-overlong"]),
  )
  for (const name of rewardNames()) expect((await loadReward(name)).name).toBe(name)
})

test("snake case and TRL's names open the same", async () => {
  const cases = {
    length_penalty: "length-penalty",
    accuracy_reward: "accuracy",
    think_format_reward: "format",
  }
  for (const [given, name] of Object.entries(cases)) expect((await loadReward(given)).name).toBe(name)
})

test("one's own file, by path; a wrong name is refused with the nearest", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "rectify-reward-")), "my-reward.ts")
  writeFileSync(path, "export const reward = (completions) => completions.map((c) => c.length)")
  const mine = await loadReward(path)
  expect(mine.name).toBe("my-reward")
  await expect(loadReward("acuracy")).rejects.toThrow(
    'reward: unknown name "acuracy", did you mean accuracy? known: accuracy',
  )
})
