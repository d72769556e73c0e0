// PPO's clipped surrogate with its upper bound delta: -min(min(ratio, delta) A, clip(ratio, 1 - eps, 1 + eps_high) A).
import type { LossRule } from "./rule.ts"

export const clipped: LossRule["token"] = ({ ratio, advantage }, { epsilon, epsilonHigh, delta }) => {
  const bounded = Math.min(ratio, delta)
  const inside = Math.min(Math.max(ratio, 1 - epsilon), 1 + epsilonHigh)
  const free = bounded * advantage
  const clip = inside * advantage
  if (free <= clip) return { loss: -free, dRatio: ratio <= delta ? -advantage : 0, dLogp: 0 }
  return { loss: -clip, dRatio: inside === ratio ? -advantage : 0, dLogp: 0 }
}
