// Before a run: what the recipe's rewards give to the data set's own right answers, and which of them earn less than all.
import { type DataCounts, type Dataset, type Example, openDataset } from "@rectify/data"
import type { Scorer } from "@rectify/rewards"
import { asksPolicy } from "./measure.ts"
import { type Recipe, RecipeError } from "./recipe.ts"
import { columnsOf, openScoring } from "./score.ts"

export interface RewardCheck {
  name: string
  /** rows to which it applies */
  rows: number
  mean: number
  /** what a right answer must earn; null: nobody can say */
  full: number | null
  /** rows that earn less than that */
  short: number
  /** of those, how many had nothing that could be read as an answer */
  unparsed: number
  examples: Shortfall[]
}

export interface Shortfall {
  id: string
  gold: string
  score: number
  reason: string
}

export interface RewardReport {
  dataset: string
  /** what the data set read and left out */
  data: DataCounts | null
  rows: number
  /** rows without a right answer: nothing to check */
  without: number
  rewards: RewardCheck[]
  /** rewards that ask the policy, so that only a run can tell */
  skipped: string[]
  ok: boolean
}

export interface CheckOptions {
  /** rows to look at; default: a whole epoch, or 1,000 of a data set without end */
  rows?: number
  /** shortfalls shown per reward */
  examples?: number
  signal?: AbortSignal
  onProgress?(done: number, of: number): void
}

const BATCH = 256
/** Rows of a data set without end. */
const ENDLESS = 1_000

export async function checkRewards(recipe: Recipe, options: CheckOptions = {}): Promise<RewardReport> {
  const { keys, rewards: specs } = recipe
  const skipped = specs.map(({ name }) => name).filter(asksPolicy)
  const checked = specs.filter(({ name }) => !asksPolicy(name))
  if (checked.length === 0)
    throw new RecipeError(
      `reward_funcs: expected a reward that can be checked without the policy, got ${skipped.join(", ") || "none"}`,
    )
  const { name, ...own } = keys.dataset
  const { seed, signal } = { seed: keys.data_seed ?? keys.seed, signal: options.signal }
  const dataset = await openDataset(name, own, { seed, shuffle: keys.shuffle_dataset, signal })
  const scorer = await openScoring(checked, keys)
  try {
    const report = start(dataset, scorer, skipped)
    for await (const { examples, of } of batches(dataset, options.rows)) {
      if (signal?.aborted) break
      await look(report, scorer, examples, keys, options.examples ?? 5)
      options.onProgress?.(report.rows, of)
    }
    for (const reward of report.rewards) if (reward.rows > 0) reward.mean /= reward.rows
    report.ok = report.rows > report.without && report.rewards.every(({ short }) => short === 0)
    return report
  } finally {
    scorer.close()
  }
}

/** The rows to train on; those to evaluate on where there are no others. */
async function* batches(dataset: Dataset, rows?: number) {
  const all = dataset.size === 0 ? dataset.heldOut(rows ?? Number.MAX_SAFE_INTEGER) : null
  const of =
    all?.length ?? Math.min(rows ?? dataset.size ?? ENDLESS, dataset.size ?? Number.POSITIVE_INFINITY)
  for (let done = 0; done < of; done += BATCH) {
    const size = Math.min(BATCH, of - done)
    yield { examples: all?.slice(done, done + size) ?? (await dataset.take(size)), of }
  }
}

const start = ({ name, counts }: Dataset, { names, full }: Scorer, skipped: string[]): RewardReport => ({
  dataset: name,
  data: counts ?? null,
  rows: 0,
  without: 0,
  skipped,
  ok: false,
  rewards: names.map((name, index) => ({
    name,
    rows: 0,
    mean: 0,
    full: full[index] ?? null,
    short: 0,
    unparsed: 0,
    examples: [],
  })),
})

async function look(
  report: RewardReport,
  scorer: Scorer,
  all: readonly Example[],
  keys: Pick<Recipe["keys"], "think_start" | "process">,
  shown: number,
): Promise<void> {
  const examples = all.filter((example) => goldOf(example) !== null)
  report.rows += all.length
  report.without += all.length - examples.length
  const completions = examples.map((example) => written(example, keys))
  // Without a tokenizer lengths are unknown: as short as can be.
  const ids = new Int32Array(1)
  const columns = columnsOf(examples.map((example) => ({ example, prompt: example.prompt, ids })))
  const rows = await scorer.score(completions, columns)
  for (const reward of report.rewards)
    for (const [row, { values }] of rows.entries()) {
      const value = values[reward.name]
      if (!value) continue
      reward.rows++
      reward.mean += value.score
      if (reward.full === null || value.score >= reward.full - 1e-9) continue
      reward.short++
      if (value.unparsed) reward.unparsed++
      const { id } = examples[row]!
      if (reward.examples.length < shown)
        reward.examples.push({ id, gold: goldOf(examples[row]!)!, score: value.score, reason: value.reason })
    }
}

function goldOf({ answer, columns }: Example): string | null {
  const gold = answer ?? columns.solution
  return typeof gold === "string" || typeof gold === "number" ? String(gold) : null
}

/** As a policy would write it that thinks, then says the right answer. */
function written(
  example: Example,
  { think_start, process }: Pick<Recipe["keys"], "think_start" | "process">,
): string {
  const opened = example.prompt.trimEnd().endsWith(think_start)
  const thought = `The right answer is known.\n${process.think_end ?? "</think>"}`
  return `${opened ? "" : `${think_start}\n`}${thought}\n<answer>\n${goldOf(example)}\n</answer>`
}
