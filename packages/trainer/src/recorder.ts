// Where a run's numbers and texts go besides its own folder: the store, or nowhere.
import type { Writer } from "@rectify/store"

export type { CompletionRecord, PointRecord } from "@rectify/store"
export type Recorder = Writer

const nothing = () => {}

/** For runs without a store. */
export const noRecorder: Recorder = {
  createRun: nothing,
  recordCompletions: nothing,
  recordStep: nothing,
  recordEvaluation: nothing,
  recordEvent: nothing,
  setState: nothing,
  forgetAfter: nothing,
  heartbeat: nothing,
  flush: async () => {},
}
