// CISPO: the ratio, bounded by epsilon_high itself and not differentiated, weighs the policy gradient of every token.
import type { LossRule } from "./rule.ts"

export const rule: LossRule = {
  token({ ratio, logp, advantage }, { epsilonHigh }) {
    const factor = Math.min(ratio, epsilonHigh) * advantage
    return { loss: -factor * logp, dRatio: 0, dLogp: -factor }
  },
  weight: (_, { numTokens }) => 1 / numTokens,
}
