// Forward, loss, backward, clipping and AdamW on 16 sequences of 128 tokens, one thread, against transformers with torch's AdamW.
import type { BenchFile } from "@rectify/cli"
import type { TrainBatch } from "@rectify/engine"
import { peer } from "./peers/peer.ts"
import { type DtypeName, dtypes, milliseconds, openPolicy, type Shape, someTokens } from "./peers/policy.ts"

export const name = "train-step"

const rows = 16
const length = 128
export const adamw = {
  learningRate: 1e-4,
  weightDecay: 0.01,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
}

function batch(): TrainBatch {
  const tokens = someTokens(rows * length, 1)
  const mask = Uint8Array.from(tokens, (_, i) => (i % length === 0 ? 0 : 1))
  return {
    forest: {
      parent: new Int32Array(rows).fill(-1),
      parentLength: new Int32Array(rows),
      length: new Int32Array(rows).fill(length),
      tokens,
    },
    mask,
    temperature: 1,
    loss: { kind: "sft", weights: Float32Array.from(mask, (on) => on / (rows * (length - 1))) },
  }
}

export const run: BenchFile["run"] = async (emit, options) => {
  const beside = peer("train_step", options)
  for (const dtype of Object.keys(dtypes) as DtypeName[])
    for (const shape of (options.quick ? ["256x4"] : ["256x4", "512x8"]) satisfies Shape[]) {
      const engine = await openPolicy(shape, dtype, options, { maxBatchTokens: rows * length })
      const step = async () => {
        await engine.train(batch())
        await engine.step(adamw)
      }
      const ms = await milliseconds(step, options.quick ? 1 : 3)
      await engine.dispose()
      emit(beside({ case: `${dtype} ${shape} 16x128`, value: (rows * length * 1000) / ms, unit: "tok/s" }))
    }
}
