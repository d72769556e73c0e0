// Supervised stages before RL, on a dataset's demonstrations: a curriculum under one learning-rate schedule.
import type { Dataset, Demonstration, Tokenizer } from "@rectify/data"
import type { Engine } from "@rectify/engine"
import { ForestBuilder } from "./forest.ts"
import type { WarmStartKeys } from "./recipe/stage-schema.ts"
import { optimizerOf } from "./recipe.ts"
import { learningRateAt } from "./schedule.ts"
import { stepOptions } from "./update.ts"

export interface WarmStartProgress {
  step: number
  steps: number
  stage: string
  /** mean over the trained tokens of the last update */
  loss: number
  tokens: number
}

export interface WarmStartOptions {
  maxBatchTokens: number
  onStep(progress: WarmStartProgress): void | Promise<void>
  signal?: AbortSignal
}

/** One demonstration as tokens; those before `trainFrom` carry no loss. */
interface Row {
  ids: Int32Array
  trainFrom: number
}

/** False when it was interrupted. */
export async function warmStart(
  engine: Pick<Engine, "train" | "step">,
  dataset: Dataset,
  tokenizer: Tokenizer,
  keys: WarmStartKeys,
  { maxBatchTokens, onStep, signal }: WarmStartOptions,
): Promise<boolean> {
  const { demonstration } = dataset
  if (!demonstration)
    throw new Error(
      `warm_start: expected a dataset with demonstrations, got ${dataset.name}; take warm_start out`,
    )
  const optimizer = optimizerOf(keys)
  const steps = keys.stages.reduce((sum, stage) => sum + stage.steps, 0)
  let done = 0
  for (const stage of keys.stages)
    for (let i = 0; i < stage.steps; i++) {
      if (signal?.aborted) return false
      const rows = Array.from({ length: keys.batch_size }, (_, row) =>
        toRow(demonstration.call(dataset, done * keys.batch_size + row, stage.dataset), tokenizer),
      )
      const { loss, tokens } = await trainOn(engine, rows, maxBatchTokens)
      await engine.step(stepOptions(optimizer, learningRateAt(optimizer, done, steps)))
      done++
      await onStep({ step: done, steps, stage: stage.name, loss, tokens })
    }
  return true
}

function toRow({ prompt, completion, trainFrom }: Demonstration, tokenizer: Tokenizer): Row {
  const read = [...tokenizer.encode(prompt), ...tokenizer.encode(completion.slice(0, trainFrom))]
  const written = [...tokenizer.encode(completion.slice(trainFrom)), ...tokenizer.eosTokenIds.slice(0, 1)]
  return { ids: Int32Array.from([...read, ...written]), trainFrom: read.length }
}

/** Token-mean loss of one update, however it is cut into micro-batches. */
async function trainOn(engine: Pick<Engine, "train">, rows: readonly Row[], maxBatchTokens: number) {
  const trained = rows.reduce((sum, { ids, trainFrom }) => sum + ids.length - trainFrom, 0)
  let loss = 0
  let tokens = 0
  for (let next = 0; next < rows.length; ) {
    const forest = new ForestBuilder()
    const placed: { start: number; row: Row }[] = []
    while (
      next < rows.length &&
      (placed.length === 0 || forest.tokens + rows[next]!.ids.length <= maxBatchTokens)
    ) {
      const row = rows[next++]!
      placed.push({ start: forest.start(forest.root(row.ids)), row })
    }
    const mask = new Uint8Array(forest.tokens)
    for (const { start, row } of placed) mask.fill(1, start + row.trainFrom, start + row.ids.length)
    const weights = Float32Array.from(mask, (on) => on / trained)
    const stats = await engine.train({
      forest: forest.build(),
      mask,
      temperature: 1,
      loss: { kind: "sft", weights },
    })
    loss += stats.loss
    tokens += forest.tokens
  }
  return { loss, tokens }
}
