// RePro on GRPO: step rewards z-scored over all points of the group, unbiased, 1e-6 beside the deviation; one point alone stays as it is.
import type { Estimator } from "./estimator.ts"
import { moments } from "./moments.ts"

export { outcome } from "./grpo.ts"

const epsilon = 1e-6

export const process: Estimator["process"] = (groups, { scaleRewards }) => {
  const spread = scaleRewards === "batch" ? moments(groups.flat().flatMap(({ steps }) => steps)) : null
  return groups.map((group) => {
    const own = moments(group.flatMap(({ steps }) => steps))
    if (own.count === 1) return group.map(({ steps }) => [...steps])
    const scale = scaleRewards === "none" ? 1 : (spread ?? own).std + epsilon
    return group.map(({ steps }) => steps.map((reward) => (reward - own.mean) / scale))
  })
}
