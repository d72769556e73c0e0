// Outcome rewards: what each completion is worth, by the recipe's reward functions.
import type { Example } from "@rectify/data"
import type { RewardColumns, Scorer } from "@rectify/rewards"
import { openRewards } from "@rectify/rewards"
import type { Group, Sampled, Scored } from "./flow.ts"
import type { RecipeKeys, RewardSpec } from "./recipe.ts"

export function openScoring(rewards: readonly RewardSpec[], keys: RecipeKeys): Promise<Scorer> {
  return openRewards({
    funcs: rewards.map(({ name }) => name),
    weights: rewards.map(({ weight }) => weight),
    settings: {
      max_completion_length: keys.max_completion_length,
      think_start: keys.think_start,
      think_end: keys.process.think_end ?? undefined,
      soft_overlong_cache: keys.soft_overlong_cache,
    },
    options: keys.reward_options,
    timeout: keys.reward_timeout,
  })
}

/** `measured`: columns of what the policy itself was asked about each completion, one value per sample of each group. */
export async function score(
  groups: readonly Group<Sampled>[],
  rewards: Scorer,
  measured: Record<string, unknown[]> = {},
): Promise<Group<Scored>[]> {
  const samples = groups.flatMap((group) => group.samples)
  const rows = await rewards.score(
    samples.map(({ text }) => text),
    {
      ...columnsOf(
        groups.flatMap(({ prompt: { text, example }, samples }) =>
          samples.map(({ ids }) => ({ example, prompt: text, ids })),
        ),
      ),
      ...measured,
    },
  )
  let next = 0
  return groups.map(({ prompt, samples }) => ({
    prompt,
    samples: samples.map((sample): Scored => {
      const { total, values } = rows[next++]!
      const judgements = Object.entries(values)
      const first = values[rewards.names[0]!]
      return {
        ...sample,
        reward: total ?? Number.NaN,
        rewards: Object.fromEntries(judgements.map(([name, value]) => [name, value?.score ?? null])),
        reasons: Object.fromEntries(
          judgements.flatMap(([name, value]) => (value ? [[name, value.reason]] : [])),
        ),
        read: Object.fromEntries(
          judgements.flatMap(([name, value]) =>
            value?.unparsed || value?.parsed !== undefined ? [[name, !value.unparsed]] : [],
          ),
        ),
        timedOut: judgements.flatMap(([name, value]) => (value?.timed_out ? [name] : [])),
        correct: (first?.score ?? 0) >= 1,
        parsed: first?.parsed ?? null,
      }
    }),
  }))
}

/** One value per completion under each name; a column that some rows lack is undefined there. */
export function columnsOf(
  rows: readonly { example: Example; prompt: string; ids: Int32Array }[],
): RewardColumns {
  const names = new Set(rows.flatMap(({ example }) => Object.keys(example.columns)))
  return {
    ...Object.fromEntries([...names].map((name) => [name, rows.map(({ example }) => example.columns[name])])),
    prompts: rows.map(({ prompt }) => prompt),
    completion_ids: rows.map(({ ids }) => ids),
    answer: rows.map(({ example }) => example.answer),
  }
}
