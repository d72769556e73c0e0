// Decoding: rows of 32 prompt tokens, one thread, against transformers' generate; the prefill is taken off on both sides.
import type { BenchFile } from "@rectify/cli"
import { type Engine, plainSampling } from "@rectify/engine"
import { peer } from "./peers/peer.ts"
import {
  type DtypeName,
  dtypes,
  milliseconds,
  openPolicy,
  type Shape,
  someTokens,
  vocabularyOf,
} from "./peers/policy.ts"

export const name = "decode"

async function tokensPerSecond(
  engine: Engine,
  prompts: Int32Array[],
  tokens: number,
  repeats: number,
): Promise<number> {
  const generate = (maxTokens: number) =>
    milliseconds(() => engine.generate({ ...plainSampling, n: 1, prompts, maxTokens }), repeats)
  return (prompts.length * tokens * 1000) / ((await generate(tokens + 1)) - (await generate(1)))
}

export const run: BenchFile["run"] = async (emit, options) => {
  const beside = peer("decode", options)
  const all: [Shape, number, number][] = [
    ["256x4", 64, 64],
    ["512x8", 64, 64],
    ["512x8", 1, 64],
    ["0.5B", 1, 16],
    ["0.5B", 8, 16],
  ]
  for (const dtype of Object.keys(dtypes) as DtypeName[])
    for (const [shape, rows, tokens] of options.quick ? all.slice(0, 1) : all) {
      const engine = await openPolicy(shape, dtype, options, {
        training: false,
        maxDecodeRows: rows,
        maxBatchTokens: 2048,
      })
      const prompts = Array.from({ length: rows }, (_, i) => someTokens(32, i, vocabularyOf(shape)))
      const value = await tokensPerSecond(engine, prompts, options.quick ? 8 : tokens, options.quick ? 1 : 3)
      await engine.dispose()
      emit(beside({ case: `${dtype} ${shape} batch ${rows}`, value, unit: "tok/s" }))
    }
}
