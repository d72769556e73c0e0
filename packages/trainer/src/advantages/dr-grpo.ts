// Dr. GRPO: the reward less its group's mean, not scaled, so that easy and hard prompts weigh alike.
import type { Estimator } from "./estimator.ts"
import { known, moments } from "./moments.ts"

export const outcome: Estimator["outcome"] = (groups) =>
  groups.map((group) => {
    const { mean } = moments(group.map(({ reward }) => reward))
    return group.map(({ reward }) => known(reward - mean))
  })
