// Cuts groups into micro-batches that fit the engine: whole groups while they fit, else parts of one, its prompt repeated.

/** Part of a group: which of its samples. */
export interface Slice {
  group: number
  samples: number[]
}

export interface GroupCost {
  /** tokens shared by the group */
  prompt: number
  /** tokens of each sample; 0: nothing to compute, left out */
  samples: number[]
}

export function microBatches(groups: readonly GroupCost[], maxTokens: number): Slice[][] {
  const batches: Slice[][] = []
  let batch: Slice[] = []
  let used = 0
  const close = () => {
    if (batch.length > 0) batches.push(batch)
    batch = []
    used = 0
  }
  for (const [group, cost] of groups.entries()) {
    const whole = cost.samples.reduce((sum, tokens) => sum + tokens, 0)
    if (whole === 0) continue
    if (used + cost.prompt + whole > maxTokens) close()
    let slice: Slice | undefined
    for (const [sample, tokens] of cost.samples.entries()) {
      if (tokens === 0) continue
      if (cost.prompt + tokens > maxTokens)
        throw new Error(
          `max_batch_tokens: expected room for a prompt of ${cost.prompt} and a completion of ${tokens} tokens, got ${maxTokens}; raise --max_batch_tokens`,
        )
      if (slice && used + tokens > maxTokens) {
        close()
        slice = undefined
      }
      if (!slice) {
        slice = { group, samples: [] }
        batch.push(slice)
        used += cost.prompt
      }
      slice.samples.push(sample)
      used += tokens
    }
  }
  close()
  return batches
}
