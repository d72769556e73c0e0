// The evaluation of a policy fresh from its warm start, kept beside it: a second start goes straight to its first step.
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Verdict } from "./evaluate.ts"
import type { Recipe } from "./recipe.ts"

/** Keys that say where a run goes and how long, and change nothing at its start. */
const elsewhere = new Set(["output_dir", "run_name", "max_steps", "threads"])

/** `warmed`: the folder of the warm start, named for all that the policy depends on; null: evaluate anew. */
export async function keptVerdict(
  warmed: string | null,
  recipe: Pick<Recipe, "keys" | "rewards">,
  evaluate: () => Promise<Verdict>,
): Promise<Verdict> {
  if (warmed === null) return evaluate()
  const file = join(warmed, `evaluation-${await hashOf(recipe)}.json`)
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as Verdict
  const { evaluation, sample } = await evaluate()
  const aside = `${file}.${process.pid}.tmp`
  await writeFile(aside, JSON.stringify({ evaluation, sample }))
  await rename(aside, file)
  return { evaluation, sample }
}

/** What was asked of the policy: the recipe, and the code of rewards given by path. */
async function hashOf({ keys, rewards }: Pick<Recipe, "keys" | "rewards">): Promise<string> {
  const hash = createHash("sha256")
  const asked = Object.entries(keys).filter(([key]) => !elsewhere.has(key))
  hash.update(JSON.stringify(asked.sort(([a], [b]) => (a < b ? -1 : 1))))
  for (const { name } of rewards) if (existsSync(name)) hash.update(await readFile(name))
  return hash.digest("hex").slice(0, 16)
}
