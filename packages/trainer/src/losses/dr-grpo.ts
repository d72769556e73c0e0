// Dr. GRPO: the clipped surrogate over a constant, so that a long completion is not let off lightly.
import { clipped } from "./clipped.ts"
import type { LossRule } from "./rule.ts"

export const rule: LossRule = {
  token: clipped,
  weight: (_, { numSequences, maxCompletionLength }) => 1 / (numSequences * maxCompletionLength),
}
