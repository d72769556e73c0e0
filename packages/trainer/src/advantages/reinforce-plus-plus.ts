// REINFORCE++: the reward, whitened over the tokens of the batch (a long completion counts once per token).
import type { Estimator } from "./estimator.ts"
import { known, whitener } from "./moments.ts"

export const outcome: Estimator["outcome"] = (groups) => {
  const all = groups.flat()
  const whiten = whitener(
    all.map(({ reward }) => reward),
    all.map(({ length }) => length),
  )
  return groups.map((group) => group.map(({ reward }) => known(whiten(reward))))
}
