// RLOO: the reward less the mean of the others in its group.
import type { Estimator } from "./estimator.ts"
import { known, moments } from "./moments.ts"

export const outcome: Estimator["outcome"] = (groups) =>
  groups.map((group) => {
    const { mean, count } = moments(group.map(({ reward }) => reward))
    const scale = count > 1 ? count / (count - 1) : 0
    return group.map(({ reward }) => known((reward - mean) * scale))
  })
