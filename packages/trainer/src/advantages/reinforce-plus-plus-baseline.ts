// REINFORCE++ with baseline: the reward less its group's mean, then whitened over the tokens of the batch.
import { outcome as centred } from "./dr-grpo.ts"
import type { Estimator } from "./estimator.ts"
import { known, whitener } from "./moments.ts"

export const outcome: Estimator["outcome"] = (groups, options) => {
  const advantages = centred(groups, options)
  const applies = (g: number, i: number) => !Number.isNaN(groups[g]![i]!.reward)
  const whiten = whitener(
    advantages.flatMap((group, g) => group.map((value, i) => (applies(g, i) ? value : Number.NaN))),
    groups.flatMap((group) => group.map(({ length }) => length)),
  )
  return advantages.map((group, g) => group.map((value, i) => (applies(g, i) ? known(whiten(value)) : 0)))
}
