// The engine on the GPU's kernels, by name: in emulation everywhere, and on a GPU where there is one. A few training steps of a tiny model
// stay close to the CPU's, and what is asked of a device that is not there is refused with a cure.
import { expect, test } from "bun:test"
import { createEngine, deviceReport, type Engine, parseConfig, plainSampling } from "@rectify/engine"

const config = parseConfig({
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  hidden_act: "silu",
  vocab_size: 61,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: true,
  initializer_range: 0.1,
})
const options = { maxBatchTokens: 256, maxDecodeRows: 4, memoryLimit: 2 ** 30, threads: 1 }

async function threeSteps(device: string, dtype: "float32" | "bfloat16") {
  const engine: Engine = await createEngine(config, 3, { ...options, device, dtype })
  const losses: number[] = []
  const norms: number[] = []
  const tokens = Int32Array.from({ length: 60 }, (_, i) => (i * 17 + 5) % 61)
  const mask = Uint8Array.from(tokens, (_, i) => (i % 30 === 0 ? 0 : 1))
  const forest = {
    parent: Int32Array.from([-1, -1]),
    parentLength: new Int32Array(2),
    length: Int32Array.from([30, 30]),
    tokens,
  }
  const weights = Float32Array.from(mask, (on) => on / 58)
  for (let i = 0; i < 3; i++) {
    losses.push((await engine.train({ forest, mask, temperature: 1, loss: { kind: "sft", weights } })).loss)
    const { gradNorm } = await engine.step({
      learningRate: 1e-3,
      weightDecay: 0.01,
      adamBeta1: 0.9,
      adamBeta2: 0.99,
      adamEpsilon: 1e-8,
      maxGradNorm: 1,
    })
    norms.push(gradNorm)
  }
  const [completion] = await engine.generate({
    ...plainSampling,
    prompts: [Int32Array.from([5, 22, 39])],
    n: 1,
    maxTokens: 8,
    temperature: 0,
    step: 1,
  })
  const stats = await engine.stats()
  await engine.dispose()
  return { losses, norms, ids: [...completion!.ids], isa: stats.isa }
}

const devices = ["cuda:emulated", ...(deviceReport().gpus.length > 0 ? ["cuda"] : [])]

for (const device of devices)
  test(`${device}: three steps of training close to the CPU's, the same greedy words`, async () => {
    const cpu = await threeSteps("cpu", "float32")
    const gpu = await threeSteps(device, "float32")
    expect(gpu.isa).toBe(device === "cuda" ? "cuda" : "emulated")
    gpu.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(cpu.losses[i]!, 4)
      expect(gpu.norms[i]!).toBeCloseTo(cpu.norms[i]!, 3)
    })
    expect(gpu.ids).toEqual(cpu.ids)
    const half = await threeSteps(device, "bfloat16")
    half.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(cpu.losses[i]!, 1)
    })
  })

test.skipIf(deviceReport().gpus.length > 0)("cuda without a device: refused, with the cure", async () => {
  for (const device of ["cuda", "cuda:1"])
    expect(createEngine(config, 0, { ...options, device })).rejects.toThrow(/device: .*cuda.*bun run doctor/s)
})
