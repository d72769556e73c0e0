// DAPO's soft overlong punishment: 0 up to a margin before the limit, then down to -1 at the limit, linearly.
import type { RewardColumns, RewardSettings } from "./scoring/types.ts"

export function reward(completions: string[], columns: RewardColumns, settings: RewardSettings) {
  const limit = settings.max_completion_length
  const margin = settings.soft_overlong_cache || Math.ceil(limit / 5)
  if (margin > limit)
    throw new Error(`expected soft_overlong_cache of at most max_completion_length ${limit}, got ${margin}`)
  return completions.map((_, row) => {
    const { length } = columns.completion_ids[row]!
    const over = length - (limit - margin)
    return { score: over <= 0 ? 0 : -Math.min(1, over / margin), reason: `${length} of ${limit} tokens` }
  })
}
