// Completions as they are stored and shown, each with its thought's trajectory.
import type { Tokenizer } from "@rectify/data"
import type { SampleEvent } from "./events.ts"
import type { Group, Prompt, Sampled, Scored, Weighted } from "./flow.ts"
import type { CompletionRecord, PointRecord } from "./recorder.ts"

export function toRecords(groups: readonly Group<Weighted>[], tokenizer: Tokenizer): CompletionRecord[] {
  return groups.flatMap(({ prompt, samples }) =>
    samples.map(
      (sample): CompletionRecord => ({
        prompt_id: prompt.example.id,
        sample: sample.sample,
        prompt: shown(prompt),
        completion: sample.text,
        answer: prompt.example.answer ?? null,
        parsed: sample.parsed,
        correct: sample.correct,
        reward: sample.reward,
        rewards: sample.rewards,
        reasons: sample.reasons,
        advantage: sample.advantage,
        length: sample.ids.length,
        finish_reason: sample.finishReason,
        points: trajectory(sample, sample.points, tokenizer),
      }),
    ),
  )
}

export function toSample(
  prompt: Prompt,
  sample: Scored & { points?: PointRecord[] },
  tokenizer: Tokenizer,
): Omit<SampleEvent, "event" | "step"> {
  return {
    prompt: shown(prompt),
    completion: sample.text,
    reward: sample.reward || 0,
    answer: prompt.example.answer ?? null,
    points: trajectory(sample, sample.points ?? [], tokenizer),
  }
}

const shown = ({ example, text }: Prompt) => example.shown ?? text

/** Each point also as an offset in the text, so that a reader needs no tokenizer. */
function trajectory(
  sample: Sampled,
  points: readonly PointRecord[],
  tokenizer: Tokenizer,
): PointRecord[] | undefined {
  if (points.length === 0) return undefined
  return points.map((point) => {
    const before = tokenizer.decode(sample.ids.subarray(0, point.position))
    return { ...point, offset: Math.min(before.length, sample.text.length) }
  })
}
