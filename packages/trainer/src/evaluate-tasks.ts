// Tasks of `bun run eval` during a run: asked with the policy as it is, judged as there, summed up as there.
import { type DownloadOptions, openDataset, type Tokenizer } from "@rectify/data"
import type { Engine } from "@rectify/engine"
import { flatten, type Item, openTask, summarize } from "@rectify/evaluation"
import { openRewards, type Scorer } from "@rectify/rewards"
import { samplingOf, toAnswer } from "./answer-items.ts"
import type { Metrics } from "./events.ts"
import type { Group, Prompt, Scored } from "./flow.ts"
import type { RecipeKeys, Sampling } from "./recipe.ts"
import { rollout, toPrompts } from "./rollout.ts"
import { score } from "./score.ts"

export interface HeldTask {
  name: string
  prompts: Prompt[]
  rewards: Scorer
  sampling: Sampling
}

/** Answers are no longer than the run's own, so that they fit where those do. */
export async function openHeldTasks(
  keys: RecipeKeys,
  tokenizer: Tokenizer,
  watch: Pick<DownloadOptions, "onProgress" | "signal"> = {},
): Promise<HeldTask[]> {
  const { tasks, task_limit } = keys.evaluation
  return await Promise.all(
    tasks.map(async (given): Promise<HeldTask> => {
      const { name, dataset, options, rewards, sampling, size } = await openTask(given)
      const { seed, think_start, process } = keys
      const rows = await openDataset(dataset, options, {
        seed,
        only: "held-out",
        onDownload: watch.onProgress,
        signal: watch.signal,
      })
      rows.prepare?.(tokenizer)
      const most = Math.min(task_limit ?? Number.POSITIVE_INFINITY, size ?? Number.POSITIVE_INFINITY)
      const maxTokens = Math.min(sampling.maxTokens, keys.max_completion_length)
      return {
        name,
        prompts: toPrompts(rows.heldOut(most), tokenizer, 0),
        rewards: await openRewards({
          funcs: rewards,
          settings: {
            max_completion_length: maxTokens,
            think_start,
            think_end: process.think_end ?? undefined,
          },
        }),
        sampling: samplingOf({ ...sampling, maxTokens }, seed),
      }
    }),
  )
}

/** By "task/metric": pass@1 with its interval, pass@k, maj@k, mean_length, truncated, unparsed. */
export async function evaluateTasks(
  engine: Pick<Engine, "generate">,
  tasks: readonly HeldTask[],
  tokenizer: Tokenizer,
): Promise<Metrics> {
  const all: Metrics = {}
  for (const { name, prompts, rewards, sampling } of tasks) {
    const groups = await score(await rollout(engine, prompts, sampling, { tokenizer, step: 0 }), rewards)
    Object.assign(all, flatten(summarize(itemsOf(groups, rewards.names[0]!)), `${name}/`))
  }
  return all
}

export const itemsOf = (groups: readonly Group<Scored>[], judge: string): Item[] =>
  groups.map(({ prompt: { example }, samples }, index) => ({
    index,
    id: example.id,
    prompt: example.shown ?? example.prompt,
    answer: example.answer ?? null,
    answers: samples.map((sample) => toAnswer(sample, judge)),
  }))
