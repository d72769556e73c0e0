// The control for RePro: a right completion loses its length as a share of the longest allowed; its weight is the coefficient.
import { reward as accuracy } from "./accuracy.ts"
import type { RewardColumns, RewardSettings } from "./scoring/types.ts"

export function reward(completions: string[], columns: RewardColumns, settings: RewardSettings) {
  return accuracy(completions, columns, settings).map((judged, row) => {
    if (judged === null) return null
    if (judged.score === 0) return { score: 0, reason: "not right, no penalty" }
    const { length } = columns.completion_ids[row]!
    const limit = settings.max_completion_length
    return { score: -length / limit, reason: `${length} of ${limit} tokens` }
  })
}
