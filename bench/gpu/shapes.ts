// The Qwen2.5 shapes that bench:gpu trains and decodes, with random weights, and what their arithmetic costs.

export const shapes = {
  tiny: {
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  },
  "0.5B": {
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
  },
  "1.5B": {
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
  },
  "7B": {
    hidden_size: 3584,
    intermediate_size: 18944,
    num_hidden_layers: 28,
    num_attention_heads: 28,
    num_key_value_heads: 4,
  },
}
export type Shape = keyof typeof shapes

export const vocabularyOf = (shape: Shape) => (shape === "tiny" ? 320 : shape === "7B" ? 152064 : 151936)

export const configOf = (shape: Shape) => ({
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  hidden_act: "silu",
  initializer_range: 0.02,
  max_position_embeddings: 4608,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  tie_word_embeddings: shape !== "7B",
  vocab_size: vocabularyOf(shape),
  ...shapes[shape],
})

export const flopsFormula =
  "model FLOP a token = 6 N + 6 layers x heads x head_dim x length, N: weights of the linear layers and the LM head; causal attention; nothing recomputed is counted"

/** Forward and backward of one token in a sequence of `length`. */
export function flopsPerToken(shape: Shape, length: number): number {
  const s = shapes[shape]
  const head = s.hidden_size / s.num_attention_heads
  const attention = s.hidden_size * (2 * s.hidden_size + 2 * s.num_key_value_heads * head)
  const weights =
    s.num_hidden_layers * (attention + 3 * s.hidden_size * s.intermediate_size) +
    vocabularyOf(shape) * s.hidden_size
  return 6 * weights + 6 * s.num_hidden_layers * s.hidden_size * length
}
