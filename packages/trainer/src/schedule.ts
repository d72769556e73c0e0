// The learning rate of each optimizer update: warm-up, then linear, cosine or constant, as in transformers.

export interface Schedule {
  learningRate: number
  type: "linear" | "cosine" | "constant" | "constant_with_warmup"
  warmupSteps: number
  /** share of the peak at the end of linear and cosine */
  minLrRate: number
}

/** `update` counts from 0. Unlike transformers, the first update of a warm-up already moves: its rate is peak / warmupSteps. */
export function learningRateAt(schedule: Schedule, update: number, total: number): number {
  const { learningRate, warmupSteps, minLrRate, type } = schedule
  if (type !== "constant" && update < warmupSteps) return (learningRate * (update + 1)) / warmupSteps
  const left = Math.max(1, total - warmupSteps)
  const done = Math.min(1, Math.max(0, (update - warmupSteps) / left))
  const falling = (shape: number) => learningRate * (minLrRate + (1 - minLrRate) * shape)
  if (type === "linear") return falling(1 - done)
  if (type === "cosine") return falling(0.5 * (1 + Math.cos(Math.PI * done)))
  return learningRate
}
