// RePro on REINFORCE++: step rewards whitened over all points of the batch.
import type { Estimator } from "./estimator.ts"
import { whitener } from "./moments.ts"

export { outcome } from "./reinforce-plus-plus.ts"

export const process: Estimator["process"] = (groups) => {
  const points = groups.flat().flatMap(({ steps }) => steps)
  const whiten = whitener(
    points,
    points.map(() => 1),
  )
  return groups.map((group) => group.map(({ steps }) => steps.map(whiten)))
}
