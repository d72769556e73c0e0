// GRPO: the clipped surrogate, averaged over each sequence's tokens, then over sequences.
import { clipped } from "./clipped.ts"
import type { LossRule } from "./rule.ts"

export const rule: LossRule = {
  token: clipped,
  weight: (tokens, { numSequences }) => 1 / (tokens * numSequences),
}
