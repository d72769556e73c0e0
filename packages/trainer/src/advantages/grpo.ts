// GRPO: the reward, less its group's mean, over the standard deviation (TRL's 1e-4 beside it).
import type { Estimator } from "./estimator.ts"
import { known, moments } from "./moments.ts"

const epsilon = 1e-4

export const outcome: Estimator["outcome"] = (groups, { scaleRewards }) => {
  const batch = moments(groups.flatMap((group) => group.map(({ reward }) => reward)))
  return groups.map((group) => {
    const { mean, std } = moments(group.map(({ reward }) => reward))
    const scale = { group: std + epsilon, batch: batch.std + epsilon, none: 1 }[scaleRewards]
    return group.map(({ reward }) => known((reward - mean) / scale))
  })
}
