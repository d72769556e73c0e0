// The sampling that changes nothing: what a request says of it is only what it wants otherwise.
import type { SampleOptions } from "./types.ts"

/** The model's own distribution: temperature 1, nothing filtered, no token or text that ends a completion before maxTokens. */
export const plainSampling: Omit<SampleOptions, "maxTokens"> = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  stopTokens: [],
  stopStrings: [],
  seed: 0,
  step: 0,
}
