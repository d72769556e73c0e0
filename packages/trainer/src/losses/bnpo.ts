// BNPO: the clipped surrogate, averaged over the tokens of the batch.
import { clipped } from "./clipped.ts"
import type { LossRule } from "./rule.ts"

export const rule: LossRule = { token: clipped, weight: (_, { numTokens }) => 1 / numTokens }
