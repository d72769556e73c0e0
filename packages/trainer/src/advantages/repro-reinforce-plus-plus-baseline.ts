// RePro on REINFORCE++ with baseline: step rewards less the mean of all points of the group, not scaled.
import type { Estimator } from "./estimator.ts"
import { moments } from "./moments.ts"

export { outcome } from "./reinforce-plus-plus-baseline.ts"

export const process: Estimator["process"] = (groups) =>
  groups.map((group) => {
    const { mean, count } = moments(group.flatMap(({ steps }) => steps))
    const centre = count > 1 ? mean : 0
    return group.map(({ steps }) => steps.map((reward) => reward - centre))
  })
