// config.json: what the engine computes is read as transformers would, everything else is refused by name.
import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { configFiles, parseConfig, readConfig } from "../../packages/engine/src/config.ts"
import { goldenDir, goldenModels } from "../golden.ts"
import { temporaryFolder } from "./folder.ts"

const qwen2 = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  hidden_act: "silu",
  hidden_size: 896,
  intermediate_size: 4864,
  max_position_embeddings: 32768,
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  sliding_window: 32768,
  tie_word_embeddings: true,
  use_sliding_window: false,
  vocab_size: 151936,
  bos_token_id: 151643,
  eos_token_id: 151643,
}
const llama = { ...qwen2, architectures: ["LlamaForCausalLM"], model_type: "llama" }
const mistral = { ...qwen2, architectures: ["MistralForCausalLM"], model_type: "mistral" }

describe("parseConfig", () => {
  test("Qwen2 as published", () => {
    expect(parseConfig(qwen2)).toEqual({
      architecture: "Qwen2ForCausalLM",
      vocabSize: 151936,
      hiddenSize: 896,
      intermediateSize: 4864,
      layers: 24,
      heads: 14,
      kvHeads: 2,
      headDim: 64,
      rmsNormEps: 1e-6,
      ropeTheta: 1000000,
      ropeScaling: { type: "default" },
      maxPositionEmbeddings: 32768,
      tieWordEmbeddings: true,
      qkvBias: true,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      initializerRange: 0.02,
      bosTokenId: 151643,
      eosTokenIds: [151643],
    })
  })

  test("what each architecture adds, and transformers' defaults", () => {
    expect(parseConfig({ ...llama, attention_bias: true, mlp_bias: true })).toMatchObject({
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
    })
    const { tie_word_embeddings: _, num_key_value_heads: __, ...bare } = llama
    expect(parseConfig(bare)).toMatchObject({ tieWordEmbeddings: false, kvHeads: 14, qkvBias: false })
    const qwen3 = { ...qwen2, architectures: ["Qwen3ForCausalLM"], model_type: "qwen3" }
    expect(parseConfig(qwen3)).toMatchObject({ qkNorm: true, qkvBias: false, headDim: 128 })
    expect(parseConfig({ ...qwen3, head_dim: 32 }).headDim).toBe(32)
    expect(parseConfig({ ...mistral, sliding_window: null, mlp_bias: true })).toMatchObject({
      qkvBias: false,
      mlpBias: false,
    })
    expect(parseConfig({ ...qwen2, architectures: undefined }).architecture).toBe("Qwen2ForCausalLM")
  })

  test("rope of older and newer transformers", () => {
    const numbers = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const expected = {
      ropeTheta: 500000,
      ropeScaling: {
        type: "llama3",
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalMaxPositionEmbeddings: 8192,
      },
    }
    const old = { ...llama, rope_theta: 500000, rope_scaling: { rope_type: "llama3", ...numbers } }
    expect(parseConfig(old)).toMatchObject(expected)
    const { rope_theta: _, ...rest } = llama
    const parameters = { rope_theta: 500000, rope_type: "llama3", ...numbers }
    expect(parseConfig({ ...rest, rope_parameters: parameters })).toMatchObject(expected)
    expect(parseConfig({ ...llama, rope_scaling: { type: "linear", factor: 2 } }).ropeScaling).toEqual({
      type: "linear",
      factor: 2,
    })
    expect(parseConfig(rest).ropeTheta).toBe(10000)
  })

  const refused: [string, object, RegExp][] = [
    [
      "architecture",
      { architectures: ["GemmaForCausalLM"] },
      /architectures: .*GemmaForCausalLM.*known: Qwen2/,
    ],
    ["two architectures", { architectures: ["Qwen2ForCausalLM", "X"] }, /architectures: /],
    ["model_type alone", { architectures: null, model_type: "gpt2" }, /model_type: .*"gpt2"; known: qwen2/],
    ["activation", { hidden_act: "gelu" }, /hidden_act: .*"gelu"; known: silu/],
    [
      "quantization",
      { quantization_config: { bits: 4 } },
      /quantization_config: not supported, got \{"bits":4\}/,
    ],
    ["experts", { num_experts: 60 }, /num_experts: not supported, got 60/],
    ["local experts", { num_local_experts: 8 }, /num_local_experts/],
    ["partial rotary", { partial_rotary_factor: 0.5 }, /partial_rotary_factor: not supported, got 0\.5/],
    ["dropout", { attention_dropout: 0.1 }, /attention_dropout/],
    ["soft-capping", { final_logit_softcapping: 30 }, /final_logit_softcapping/],
    ["custom code", { auto_map: { AutoModel: "x.py" } }, /auto_map/],
    ["window in use", { use_sliding_window: true, sliding_window: 4096 }, /sliding_window: expected none/],
    ["sliding layers", { layer_types: ["sliding_attention"] }, /layer_types: .*known: full_attention/],
    [
      "yarn",
      { rope_scaling: { rope_type: "yarn", factor: 4 } },
      /rope_scaling: rope_type: .*"yarn".*known: default/,
    ],
    [
      "old name of dynamic",
      { rope_scaling: { type: "dynamic", factor: 2 } },
      /rope_scaling: type: .*"dynamic"/,
    ],
    ["mrope", { rope_scaling: { type: "default", mrope_section: [1] } }, /mrope_section: not supported/],
    ["rope per layer kind", { rope_parameters: { full_attention: {} } }, /rope_parameters: .*one set/],
    [
      "rope without factor",
      { rope_scaling: { type: "linear" } },
      /rope_scaling: factor: expected a number, got undef/,
    ],
    ["missing size", { hidden_size: undefined }, /hidden_size: expected a number, got undefined/],
    ["size as text", { vocab_size: "151936" }, /vocab_size: expected a number, got "151936"/],
    [
      "broken size",
      { num_hidden_layers: 1.5 },
      /num_hidden_layers: expected a whole number of at least 1, got 1\.5/,
    ],
    ["kv heads", { num_key_value_heads: 4 }, /num_key_value_heads: expected a divisor/],
    ["no whole head", { hidden_size: 900 }, /head_dim/],
    ["odd head", { head_dim: 33 }, /head_dim: expected an even number, got 33/],
    ["flag as number", { tie_word_embeddings: 1 }, /tie_word_embeddings: expected true or false, got 1/],
    ["eos as text", { eos_token_id: "</s>" }, /eos_token_id: expected a token id/],
  ]
  test.each(refused)("refuses: %s", (_, change, message) => {
    expect(() => parseConfig({ ...qwen2, ...change }, "m/config.json")).toThrow(message)
    expect(() => parseConfig({ ...qwen2, ...change }, "m/config.json")).toThrow(/^m\/config\.json: /)
  })

  test("Mistral's window counts unless it covers everything", () => {
    expect(() => parseConfig({ ...mistral, sliding_window: 4096 })).toThrow(/sliding_window/)
    expect(parseConfig({ ...mistral, sliding_window: 32768 }).architecture).toBe("MistralForCausalLM")
  })

  test("not an object", () => {
    for (const json of [null, [], 7, "x"]) expect(() => parseConfig(json)).toThrow(/expected a JSON object/)
  })
})

describe("readConfig", () => {
  test("every golden folder", () => {
    for (const name of goldenModels) {
      const { config } = readConfig(join(goldenDir, "models", name))
      expect(config.eosTokenIds).toEqual([1])
      expect(config.layers).toBe(2)
    }
    expect(readConfig(join(goldenDir, "models/llama-linear")).config.ropeScaling).toEqual({
      type: "linear",
      factor: 2,
    })
  })

  test("end tokens of both files", () => {
    const dir = temporaryFolder()
    writeFileSync(join(dir, "config.json"), JSON.stringify(qwen2))
    writeFileSync(join(dir, "generation_config.json"), JSON.stringify({ eos_token_id: [151645, 151643] }))
    expect(readConfig(dir).config.eosTokenIds).toEqual([151645, 151643])
  })

  test("no folder, no JSON", () => {
    const dir = temporaryFolder()
    expect(() => readConfig(join(dir, "none"))).toThrow(/none: expected a model folder with config\.json/)
    writeFileSync(join(dir, "config.json"), "{,}")
    expect(() => readConfig(dir)).toThrow(/config\.json: expected JSON/)
    writeFileSync(join(dir, "config.json"), JSON.stringify(qwen2))
    writeFileSync(join(dir, "generation_config.json"), "[]")
    expect(() => readConfig(dir)).toThrow(/generation_config\.json: expected a JSON object/)
  })
})

test("configFiles writes what parseConfig reads back", () => {
  for (const name of goldenModels) {
    const { config } = readConfig(join(goldenDir, "models", name))
    expect(parseConfig(configFiles(config).config)).toEqual(config)
  }
})
