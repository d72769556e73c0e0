// The engine at the start of RL: its options, and a warm start that is found again only while nothing it depends on changed.
import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deviceReport } from "@rectify/engine"
import { openInputs } from "../../packages/trainer/src/inputs.ts"
import { engineOptions, openModel, openPolicy, planOf } from "../../packages/trainer/src/policy.ts"
import { Run } from "../../packages/trainer/src/run.ts"
import { FakeEngine } from "./fake-engine.ts"
import { recipe } from "./fixtures.ts"

let runsDir = ""
beforeAll(async () => {
  runsDir = await mkdtemp(join(tmpdir(), "policy-"))
})
afterAll(() => rm(runsDir, { recursive: true }))

const warm = { stages: [{ name: "all", steps: 1 }], batch_size: 2 }

async function open(given: Record<string, unknown>) {
  const specs = recipe({ warm_start: warm, ...given })
  const inputs = await openInputs(specs)
  const cached: boolean[] = []
  const run = await Run.open(specs, 1, {
    runsDir,
    onEvent: (event) => void (event.event === "warm_start" && cached.push(event.cached)),
  })
  const policy = await openPolicy(run, inputs, FakeEngine.open)
  return { engine: policy!.engine as FakeEngine, cached }
}

test("found again by everything it depends on, and by nothing else", async () => {
  expect((await open({})).cached).toEqual([false])
  expect((await open({})).cached).toEqual([true])
  expect((await open({ learning_rate: 0.5, process: "repro", num_generations: 4 })).cached).toEqual([true])
  for (const other of [
    { seed: 1 },
    { dataset: { name: "column-addition", p_err: 0.5 } },
    { warm_start: { ...warm, learning_rate: 0.1 } },
    { model: { hidden_size: 9 } },
    { dtype: "bfloat16" },
  ])
    expect([other, (await open(other)).cached]).toEqual([other, [false]])
  const folders = await readdir(join(runsDir, ".warm-starts"))
  expect(folders.filter((name) => name.includes("tmp"))).toEqual([])
  expect(folders).toHaveLength(6)
})

test("made and found are the same weights, with a fresh optimizer", async () => {
  const made = await open({ seed: 77 })
  const found = await open({ seed: 77 })
  expect(found.engine.weights).toEqual(made.engine.weights)
  expect([(await made.engine.stats()).optimizerStep, (await found.engine.stats()).optimizerStep]).toEqual([
    0, 0,
  ])
})

test("recipe keys become engine options", () => {
  expect(
    engineOptions(recipe({ dtype: "bfloat16", threads: 2, max_batch_tokens: 99, device: "cuda:1" })),
  ).toEqual({
    dtype: "bfloat16",
    device: "cuda:1",
    threads: 2,
    training: true,
    maxBatchTokens: 99,
    gradientCheckpointing: true,
    maxDecodeRows: 64,
    memoryLimit: 0,
  })
})

test("a model that cannot be is refused where it is described", async () => {
  const bad = { config: { architectures: ["GPT2LMHeadModel"] }, seed: 1 }
  expect(() => planOf(recipe(), bad)).toThrow("model")
  expect(async () => openModel(bad, engineOptions(recipe()))).toThrow("model")
  expect(async () => openModel({ dir: join(runsDir, "none") }, engineOptions(recipe()))).toThrow(
    "config.json",
  )
})

const config = {
  architectures: ["Qwen2ForCausalLM"],
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
  hidden_act: "silu",
  eos_token_id: 0,
}

test("a model that is too large here is planned all the same, and the shortage told", () => {
  const { plan, shortage } = planOf(recipe({ memory_limit: 1_000_000 }), { config, seed: 1 })
  expect(shortage).toContain("memory: expected a run that fits in")
  const whole = planOf(recipe(), { config, seed: 1 })
  expect(whole.shortage).toBeNull()
  expect(plan.weights).toBe(whole.plan.weights)
  expect(plan.free).toBe(0)
})

test("a plan asks the GPU that the run would be on", () => {
  const on = (device: string, memory_limit = 0) =>
    planOf(recipe({ device, memory_limit }), { config, seed: 1 })
  const gpus = deviceReport().gpus
  for (const [i, { memory }] of gpus.entries()) {
    const { plan, shortage } = on(`cuda:${i}`)
    expect(shortage).toBeNull()
    expect(plan.free).toBeLessThan(memory)
  }
  // One more than there are: planned, and told that this machine has it not.
  const { plan, shortage } = on(`cuda:${gpus.length}`)
  expect(shortage).toMatch(/^device: .*cuda:?\d?.*bun run doctor/s)
  expect(plan.free).toBe(0)
  expect(plan.weights).toBe(on("cuda:emulated").plan.weights)
  // Given the memory, no device is asked.
  expect(on("cuda:9", 2 ** 33)).toMatchObject({ shortage: null, plan: { weights: plan.weights } })
  for (const name of ["tpu", "cuda:", "cuda:x", "cuda:-1", "cudaa"])
    expect(() => on(name)).toThrow(/^device: expected a device, got .*known: cpu/)
})
