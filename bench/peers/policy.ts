// The models that the engine and its peers are measured on: random Qwen2 policies of three shapes, one thread.
import type { BenchOptions } from "@rectify/cli"
import { createEngine, type Engine, type EngineOptions, parseConfig } from "@rectify/engine"

const shapes = {
  "256x4": {
    hidden_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 1024,
  },
  "512x8": {
    hidden_size: 512,
    num_hidden_layers: 8,
    num_attention_heads: 8,
    num_key_value_heads: 2,
    intermediate_size: 2048,
  },
  "0.5B": {
    hidden_size: 896,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    intermediate_size: 4864,
  },
}

export type Shape = keyof typeof shapes
export const dtypes = { f32: "float32", bf16: "bfloat16" } as const
export type DtypeName = keyof typeof dtypes

export async function openPolicy(
  shape: Shape,
  dtype: DtypeName,
  { device, seed }: BenchOptions,
  options: Partial<EngineOptions> = {},
): Promise<Engine> {
  const config = {
    architectures: ["Qwen2ForCausalLM"],
    model_type: "qwen2",
    hidden_act: "silu",
    initializer_range: 0.02,
    max_position_embeddings: 16384,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
    vocab_size: vocabularyOf(shape),
    ...shapes[shape],
  }
  return createEngine(parseConfig(config), seed, { dtype: dtypes[dtype], device, threads: 1, ...options })
}

export const vocabularyOf = (shape: Shape) => (shape === "0.5B" ? 151936 : 3072)

/** Token ids that look like nothing in particular, the same every time. */
export function someTokens(count: number, salt: number, vocabulary = 3072): Int32Array {
  let state = (salt * 2654435761 + 1) >>> 0
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return 2 + ((state >>> 8) % (vocabulary - 2))
  })
}

/** Median milliseconds of `run`, after one call that is not counted. */
export async function milliseconds(run: () => Promise<unknown>, repeats: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i <= repeats; i++) {
    const start = performance.now()
    await run()
    if (i > 0) times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
}
