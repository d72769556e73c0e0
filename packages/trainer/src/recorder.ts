// Where a run's numbers and texts are kept besides its own folder: the store implements this, tests and `--no-store` do without.
import type { Evaluation, Metrics, PointRecord } from "./events.ts"

export type RunState = "running" | "done" | "interrupted" | "failed"

export interface RunRecord {
  /** folder name, unique: "quickstart-20260115-093012" */
  run: string
  run_dir: string
  recipe: Record<string, unknown>
  seed: number
  steps: number
}

/** One sampled completion as it is stored and shown. */
export interface CompletionRecord {
  prompt_id: string
  /** which sample of its group, 0-based */
  sample: number
  prompt: string
  completion: string
  answer: string | null
  parsed: string | null
  correct: boolean
  /** weighted sum of the reward functions */
  reward: number
  /** by reward name; null where it does not apply */
  rewards: Record<string, number | null>
  /** outcome part */
  advantage: number
  length: number
  finish_reason: "stop" | "length" | "cancelled"
  /** RePro's trajectory, baseline first; absent when the completion was not judged */
  points?: PointRecord[]
}

export interface Recorder {
  /** the same run again (a resumed one) goes on where it was */
  createRun(run: RunRecord): Promise<void> | void
  recordStep(run: string, step: number, metrics: Metrics): Promise<void> | void
  recordCompletions(run: string, step: number, rows: CompletionRecord[]): Promise<void> | void
  recordEvaluation(run: string, step: number, evaluation: Evaluation): Promise<void> | void
  setState(run: string, state: RunState, error?: string): Promise<void> | void
  /** a resumed run drops what was recorded after its checkpoint */
  forgetAfter(run: string, step: number): Promise<void> | void
}
