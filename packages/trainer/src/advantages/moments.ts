// Mean and unbiased standard deviation, plain and weighted, over what is a number.

export interface Moments {
  mean: number
  /** 0 when there are fewer than two values */
  std: number
  count: number
}

export function moments(values: readonly number[]): Moments {
  const known = values.filter((value) => !Number.isNaN(value))
  const count = known.length
  if (count === 0) return { mean: 0, std: 0, count }
  const mean = known.reduce((sum, value) => sum + value, 0) / count
  if (count === 1) return { mean, std: 0, count }
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, std: Math.sqrt(squares / (count - 1)), count }
}

/** veRL's masked whitening: each value counts `weight` times, variance unbiased, 1e-8 under the root. */
export function whitener(values: readonly number[], weights: readonly number[]): (value: number) => number {
  let total = 0
  let sum = 0
  for (const [i, value] of values.entries()) {
    if (Number.isNaN(value)) continue
    total += weights[i]!
    sum += value * weights[i]!
  }
  if (total < 2) return () => 0
  const mean = sum / total
  let squares = 0
  for (const [i, value] of values.entries())
    if (!Number.isNaN(value)) squares += weights[i]! * (value - mean) ** 2
  const scale = 1 / Math.sqrt(squares / (total - 1) + 1e-8)
  return (value) => (value - mean) * scale
}

/** 0 where no reward applies. */
export const known = (advantage: number) => (Number.isNaN(advantage) ? 0 : advantage)
