// Finds an advantage estimator by the name of its file: there is no registry.
import { readdirSync } from "node:fs"
import { nearest } from "@rectify/data/nearest"
import type { Estimator } from "./estimator.ts"

export type { Estimator, EstimatorOptions, Outcome, OutcomeGroup } from "./estimator.ts"

/** Names that are known but have to wait. */
const arriving: Record<string, string> = {
  repro_ppo: "needs a critic, which is not there yet; repro_grpo and repro_reinforce_plus_plus need none",
  gae: "needs a critic, which is not there yet; grpo and reinforce_plus_plus need none",
  ppo: "needs a critic, which is not there yet; grpo and reinforce_plus_plus need none",
}

const notEstimators = new Set(["index", "estimator", "moments"])

export const advantageNames = (): string[] =>
  readdirSync(import.meta.dir)
    .map((file) => file.replace(/\.ts$/, ""))
    .filter((file) => !notEstimators.has(file))
    .map((file) => file.replaceAll("-", "_"))
    .sort()

/** Why a name cannot be used, or undefined when it can. */
export function advantageProblem(name: string): string | undefined {
  const names = advantageNames()
  if (names.includes(name)) return undefined
  if (arriving[name]) return arriving[name]
  const near = nearest(name, names)
  return `unknown name${near ? `, did you mean ${near}?` : ""}; known: ${names.join(", ")}`
}

export async function loadEstimator(name: string): Promise<Estimator> {
  const problem = advantageProblem(name)
  if (problem) throw new Error(`advantage ${name}: ${problem}`)
  return (await import(`./${name.replaceAll("_", "-")}.ts`)) as Estimator
}
