// Records that the tests of the store, the API and the commands write.
import type { CompletionRecord, NewRun } from "@rectify/store"

export const aRun = (run = "demo-1", extra: Partial<NewRun> = {}): NewRun => ({
  run,
  run_dir: `runs/${run}`,
  recipe: { name: "demo", num_generations: 2 },
  seed: 7,
  steps: 10,
  ...extra,
})

export const aCompletion = (extra: Partial<CompletionRecord> = {}): CompletionRecord => ({
  prompt_id: "p0",
  sample: 0,
  prompt: "ones 7 + 8 ?",
  completion: "ones 7 + 8 + 0 = 1 5 . Wait , let me check again : ones 7 + 8 + 0 = 1 5 . </think> 1 5",
  answer: "1 5",
  parsed: "1 5",
  correct: true,
  reward: 1,
  rewards: { accuracy: 1 },
  reasons: { accuracy: "15 is the answer" },
  advantage: 0.5,
  length: 30,
  finish_reason: "stop",
  points: [
    { position: 0, offset: 0, surrogate: -2, magnitude: 0, stability: 0, score: 0, reward: 0 },
    {
      position: 11,
      offset: 22,
      surrogate: -0.5,
      magnitude: 0.755,
      stability: 1,
      score: 0.755,
      reward: 0.755,
    },
    {
      position: 27,
      offset: 77,
      surrogate: -0.6,
      magnitude: 0.709,
      stability: 0.5,
      score: 0.709,
      reward: -0.046,
    },
  ],
  ...extra,
})
