// DAPO: the clipped surrogate, averaged over all tokens of the update, however it is cut into micro-batches.
import { clipped } from "./clipped.ts"
import type { LossRule } from "./rule.ts"

export const rule: LossRule = { token: clipped, weight: (_, { numTokens }) => 1 / numTokens }
