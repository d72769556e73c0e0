// How an evaluation's items are answered and judged: by the same rollout and the same rewards as a step of a run.
import type { Tokenizer } from "@rectify/data"
import type { Engine } from "@rectify/engine"
import type { Answer, AnswerItem, TaskSampling } from "@rectify/evaluation"
import type { Scorer } from "@rectify/rewards"
import type { Scored } from "./flow.ts"
import type { Sampling } from "./recipe.ts"
import { rollout, toPrompts } from "./rollout.ts"
import { score } from "./score.ts"

export interface Answering {
  engine: Pick<Engine, "generate" | "config">
  tokenizer: Tokenizer
  rewards: Scorer
  sampling: Sampling
}

export function answering({ engine, tokenizer, rewards, sampling }: Answering): AnswerItem {
  return async (example, index) => {
    const prompts = toPrompts([example], tokenizer, index)
    const room = engine.config.maxPositionEmbeddings - prompts[0]!.ids.length
    if (room < 1)
      throw new Error(
        `evaluation: expected a prompt shorter than max_position_embeddings ${engine.config.maxPositionEmbeddings}, got ${prompts[0]!.ids.length} tokens for ${example.id}`,
      )
    const settings = { ...sampling, maxCompletionLength: Math.min(sampling.maxCompletionLength, room) }
    const [group] = await score(await rollout(engine, prompts, settings, { tokenizer, step: 0 }), rewards)
    return group!.samples.map((sample) => toAnswer(sample, rewards.names[0]!))
  }
}

/** A task's sampling as a rollout's. */
export const samplingOf = (
  { n, maxTokens, temperature, topP, topK }: TaskSampling,
  seed: number,
): Sampling => ({
  numGenerations: n,
  maxCompletionLength: maxTokens,
  temperature,
  topP,
  topK,
  minP: 0,
  repetitionPenalty: 1,
  stopStrings: [],
  seed,
})

/** `judge`: the reward that says what is right. */
export const toAnswer = (sample: Scored, judge: string): Answer => ({
  correct: sample.correct,
  parsed: sample.parsed,
  unparsed: sample.read?.[judge] === false,
  reason: sample.reasons[judge] ?? "",
  reward: Number.isFinite(sample.reward) ? sample.reward : null,
  rewards: sample.rewards,
  length: sample.ids.length,
  truncated: sample.finishReason !== "stop",
  text: sample.text,
})
