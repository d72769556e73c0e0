// SAPO: a sigmoid gate in place of the clip, of its own temperature for each sign of the advantage.
import type { LossRule } from "./rule.ts"

export const rule: LossRule = {
  token({ ratio, advantage }, { sapoTemperaturePos, sapoTemperatureNeg }) {
    const temperature = advantage > 0 ? sapoTemperaturePos : sapoTemperatureNeg
    const gate = 1 / (1 + Math.exp(-temperature * (ratio - 1)))
    return {
      loss: (-4 * gate * advantage) / temperature,
      dRatio: -4 * gate * (1 - gate) * advantage,
      dLogp: 0,
    }
  },
  weight: (tokens, { numSequences }) => 1 / (tokens * numSequences),
}
