// The life of an engine: opened, saved and opened again to the byte; calls in order; cancelled, disposed, abandoned.
import { describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  createEngine,
  openEngine,
  parseConfig,
  plainSampling,
  planMemory,
  readSafetensorsHeader,
  type Scores,
} from "@rectify/engine"
import { goldenDir, goldenModels, readSafetensors } from "../golden.ts"
import { f32, type Header, temporaryFolder, writeSafetensors } from "./folder.ts"

const minute = 60_000
const small = { threads: 1, maxBatchTokens: 128, maxDecodeRows: 4 }
const golden = (name: string) => join(goldenDir, "models", name)
const tiny = parseConfig({
  architectures: ["Qwen2ForCausalLM"],
  hidden_size: 16,
  intermediate_size: 24,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  num_hidden_layers: 1,
  vocab_size: 40,
  max_position_embeddings: 4096,
  tie_word_embeddings: true,
  initializer_range: 0.5,
})
const forest = {
  parent: Int32Array.of(-1, 0),
  parentLength: Int32Array.of(0, 3),
  length: Int32Array.of(4, 3),
  tokens: Int32Array.of(3, 17, 30, 8, 6, 2, 11),
}
/** Scores as bytes: equal to the bit, NaN included. */
const bits = (scores: Scores) =>
  [scores.logprobs, scores.entropy].map((values) => Buffer.from(values.buffer).toString("hex"))
const sft = {
  forest,
  mask: new Uint8Array(7).fill(1, 1),
  temperature: 1,
  loss: { kind: "sft" as const, weights: new Float32Array(7).fill(0.2) },
}
const adam = {
  learningRate: 0.01,
  weightDecay: 0.1,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
}
const sampling = {
  ...plainSampling,
  prompts: [Int32Array.of(3, 4, 5), Int32Array.of(7)],
  n: 3,
  maxTokens: 6,
  seed: 5,
}

describe("model folders", () => {
  test(
    "a saved model is the model opened, to the byte of every tensor",
    async () => {
      for (const name of goldenModels) {
        const dir = join(temporaryFolder(), "deep", "saved")
        const engine = await openEngine(golden(name), small)
        await engine.save(dir)
        const again = await openEngine(dir, small)
        expect(again.config).toEqual(engine.config)
        const both = [engine, again].map((one) => one.logprobs(forest))
        const [a, b] = await Promise.all(both)
        expect(bits(b!)).toEqual(bits(a!))
        await again.save(join(dir, "again"))
        const file = "model.safetensors"
        expect(readFileSync(join(dir, "again", file)).equals(readFileSync(join(dir, file)))).toBe(true)
        if (name.startsWith("qwen2") || name === "llama-linear") {
          const [from, to] = [golden(name), dir].map((folder) => readSafetensors(join(folder, file)))
          expect([...to!.keys()].toSorted()).toEqual([...from!.keys()].toSorted())
          for (const [key, tensor] of from!) expect(to!.get(key)).toEqual(tensor)
        }
        expect(readdirSync(dir).filter((entry) => entry.includes("tmp"))).toEqual([])
        await Promise.all([engine.dispose(), again.dispose()])
      }
    },
    minute,
  )

  test("a bfloat16 run saves bfloat16, and its optimizer file keeps the rest", async () => {
    const dir = temporaryFolder()
    const options = { ...small, dtype: "bfloat16" as const }
    const engine = await createEngine(tiny, 3, options)
    await engine.train(sft)
    await engine.step(adam)
    await engine.save(dir)
    await engine.saveOptimizer(join(dir, "optimizer.safetensors"))
    const stored = readSafetensorsHeader(join(dir, "model.safetensors")).tensors
    expect(new Set([...stored.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]))
    const again = await openEngine(dir, options)
    await again.loadOptimizer(join(dir, "optimizer.safetensors"))
    for (const one of [engine, again]) {
      await one.train(sft)
      await one.step(adam)
    }
    for (const name of stored.keys())
      expect(await again.values("weight", name)).toEqual(await engine.values("weight", name))
    expect((await again.stats()).optimizerStep).toBe(2)
    await Promise.all([engine.dispose(), again.dispose()])
  })

  test("one seed, one model; another seed, another", async () => {
    const weights = async (seed: number) => {
      const engine = await createEngine(tiny, seed, small)
      const values = await engine.values("weight", "model.embed_tokens.weight")
      await engine.dispose()
      return values
    }
    const [a, b, c] = await Promise.all([weights(1), weights(1), weights(2)])
    expect(b).toEqual(a)
    expect(c).not.toEqual(a)
    const std = Math.sqrt(a.reduce((sum, w) => sum + w * w, 0) / a.length)
    expect(std).toBeGreaterThan(0.4)
    expect(std).toBeLessThan(0.6)
  })

  test("a folder whose weights do not fit its config is refused by tensor", async () => {
    const dir = temporaryFolder()
    const config = JSON.parse(readFileSync(join(golden("qwen2"), "config.json"), "utf8"))
    writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, vocab_size: 90 }))
    const file = join(dir, "model.safetensors")
    writeFileSync(file, readFileSync(join(golden("qwen2"), "model.safetensors")))
    expect(openEngine(dir, small)).rejects.toThrow(
      /embed_tokens\.weight: expected shape \[90, 48\], got \[91, 48\]/,
    )
    writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 1 }))
    expect(openEngine(dir, small)).rejects.toThrow(/unexpected/)
    writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, tie_word_embeddings: false }))
    expect(openEngine(dir, small)).rejects.toThrow(/none named lm_head\.weight/)
    writeFileSync(join(dir, "config.json"), JSON.stringify(config))
    truncateSync(file, readFileSync(file).length - 8)
    expect(openEngine(dir, small)).rejects.toThrow(/model\.safetensors: /)
  })

  test("optimizer files of other models, or of none, are refused and change nothing", async () => {
    const engine = await createEngine(tiny, 3, small)
    const file = join(temporaryFolder(), "o.safetensors")
    const one: Header = { "model.norm.weight.m": f32([16], 0) }
    writeSafetensors(file, { __metadata__: { step: "4" }, ...one }, 64)
    expect(engine.loadOptimizer(file)).rejects.toThrow(/expected \d+ tensors, got none named/)
    writeSafetensors(file, one, 64)
    expect(engine.loadOptimizer(file)).rejects.toThrow(/expected an optimizer file with its step, got none/)
    expect((await engine.stats()).optimizerStep).toBe(0)
    await engine.dispose()
  })

  test("the reference can come from a folder, and the policy stays", async () => {
    const dir = temporaryFolder()
    const [policy, other] = await Promise.all([createEngine(tiny, 1, small), createEngine(tiny, 2, small)])
    await other.save(dir)
    const before = bits(await policy.logprobs(forest))
    await policy.freeze(dir)
    expect(bits(await policy.logprobs(forest))).toEqual(before)
    expect(bits(await policy.logprobs(forest, { reference: true }))).toEqual(
      bits(await other.logprobs(forest)),
    )
    await policy.freeze()
    expect(bits(await policy.logprobs(forest, { reference: true }))).toEqual(before)
    await Promise.all([policy.dispose(), other.dispose()])
  })
})

describe("options and memory", () => {
  test("unknown, wrong and impossible options", async () => {
    const wrong: [object, RegExp][] = [
      [{ dtpye: "float32" }, /open\.options: expected only known keys, got dtpye; known: dtype, device/],
      [{ dtype: "float16" }, /open\.options\.dtype: .*"float16"; known: float32, bfloat16/],
      [{ device: "tpu" }, /device: expected a device, got "tpu"/],
      [{ threads: -1 }, /open\.options\.threads: expected a whole number 0\.\.1024, got -1/],
      [{ maxBatchTokens: Number.NaN }, /maxBatchTokens: .*got NaN/],
      [{ memoryLimit: 1000 }, /memory: expected a run that fits in 1 MiB, got weights .*activations/],
    ]
    for (const [options, message] of wrong) expect(createEngine(tiny, 1, options)).rejects.toThrow(message)
    expect(createEngine(tiny, -1, small)).rejects.toThrow(/open\.seed: .*got -1/)
  })

  test("the plan is known without an engine, and is the engine's own", async () => {
    const limited = { ...small, memoryLimit: 2 ** 30 }
    const engine = await createEngine(tiny, 1, limited)
    const { plan, parameters, peakBytes } = await engine.stats()
    expect(planMemory(tiny, limited)).toEqual(plan)
    expect(plan.weights + plan.grads + plan.adam + plan.activations + plan.kv + plan.free).toBe(2 ** 30)
    const layer = 16 * (16 + 8 + 8) + 16 + 8 + 8 + 16 * 16 + 3 * 16 * 24 + 2 * 16
    expect(parameters).toBe(40 * 16 + layer + 16)
    expect(peakBytes).toBeGreaterThan(plan.weights)
    await engine.dispose()
  })
})

describe("calls", () => {
  test("a thousand in flight, answered in order, each as if alone", async () => {
    const engine = await createEngine(tiny, 1, small)
    const alone = bits(await engine.logprobs(forest))
    const order: number[] = []
    const calls = Array.from({ length: 1000 }, async (_, i) => {
      const scores = await engine.logprobs(forest)
      order.push(i)
      return scores
    })
    for (const scores of await Promise.all(calls)) expect(bits(scores)).toEqual(alone)
    expect(order).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    await engine.dispose()
  })

  test("the event loop turns while a call computes", async () => {
    const engine = await createEngine(tiny, 1, small)
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    await engine.generate({ ...sampling, n: 4, maxTokens: 4000 })
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
    await engine.dispose()
  }, 20_000)

  test("a call that fails does not hold up those behind it", async () => {
    const engine = await createEngine(tiny, 1, small)
    const bad = engine.logprobs({ ...forest, tokens: new Int32Array(7).fill(40) })
    const good = engine.logprobs(forest)
    expect(bad).rejects.toThrow(/forest\.tokens\[0\]: expected a token id 0\.\.39, got 40/)
    expect((await good).logprobs).toHaveLength(7)
    await engine.dispose()
  })

  test("cancelling ends the generate calls made so far, and progress is told", async () => {
    const engine = await createEngine({ ...tiny, maxPositionEmbeddings: 1 << 20 }, 1, small)
    const told: number[] = []
    const long = { ...sampling, n: 4, maxTokens: 200_000 }
    const running = engine.generate(long, (tokens) => {
      told.push(tokens)
      engine.cancel()
    })
    const all = await running
    expect(all.map(({ finishReason }) => finishReason)).toEqual(Array(8).fill("cancelled"))
    expect(Math.max(...told)).toBeGreaterThan(0)
    for (const { ids, logprobs, entropy } of all) {
      expect(logprobs).toHaveLength(ids.length)
      expect(entropy).toHaveLength(ids.length)
    }
    engine.cancel()
    expect((await engine.generate(sampling)).every(({ finishReason }) => finishReason === "length")).toBe(
      true,
    )
    await engine.dispose()
  }, 20_000)

  test("stop strings need a vocabulary, and end with it", async () => {
    const engine = await createEngine(tiny, 1, small)
    const stopping = { ...sampling, maxTokens: 200, stopStrings: ["a"] }
    expect(engine.generate(stopping)).rejects.toThrow(/setVocabulary/)
    const letters = Array.from({ length: 40 }, (_, i) => new TextEncoder().encode(i % 2 ? "a" : "b"))
    await engine.setVocabulary(letters)
    for (const { ids, finishReason } of await engine.generate(stopping)) {
      expect(finishReason).toBe("stop")
      expect([...ids].map((id) => id % 2)).toEqual([...Array(ids.length - 1).fill(0), 1])
    }
    expect(engine.setVocabulary([...letters, letters[0]!])).rejects.toThrow(/at most 40 tokens/)
    await engine.dispose()
  })
})

describe("ends", () => {
  const root = join(import.meta.dir, "../..")
  /** Runs a program beside the tests; what it prints, and how it ended. */
  const program = (body: string) => {
    const dir = join(root, "build", "test-programs")
    mkdirSync(dir, { recursive: true })
    const file = join(dir, `ends-${process.pid}-${Math.random().toString(36).slice(2)}.ts`)
    const module = JSON.stringify(join(root, "packages/engine/src/index.ts"))
    writeFileSync(
      file,
      `import { createEngine, plainSampling } from ${module}
const tiny = ${JSON.stringify(tiny)}, small = ${JSON.stringify(small)}
const long = { ...plainSampling, prompts: [Int32Array.of(1)], n: 4, maxTokens: 4000, seed: 1 }
${body}`,
    )
    const { exitCode, stdout, stderr, signalCode } = Bun.spawnSync(["bun", file], { timeout: 40_000 })
    return { exitCode, signalCode, stdout: `${stdout}`, stderr: `${stderr}` }
  }

  test("dispose waits its turn, cancels generation, and may be called again", async () => {
    const engine = await createEngine(tiny, 1, small)
    const running = engine.generate({ ...sampling, n: 4, maxTokens: 4000 })
    const scores = engine.logprobs(forest)
    const first = engine.dispose()
    expect(engine.dispose()).toBe(first)
    expect(engine.logprobs(forest)).rejects.toThrow(/disposed; open another/)
    expect((await running).some(({ finishReason }) => finishReason === "cancelled")).toBe(true)
    expect((await scores).logprobs).toHaveLength(7)
    await first
  })

  test(
    "a process with idle engines ends by itself; one with work in flight may exit at once",
    () => {
      const idle = program(`await createEngine(tiny, 1, small); console.log("done")`)
      expect(idle).toMatchObject({ exitCode: 0, stdout: "done\n" })
      const busy =
        program(`const engines = await Promise.all([1, 2, 3].map((seed) => createEngine(tiny, seed, small)))
for (const engine of engines) for (let i = 0; i < 20; i++) engine.generate(long)
setTimeout(() => process.exit(7), 50)`)
      expect(busy).toMatchObject({ exitCode: 7, stderr: "" })
    },
    minute,
  )

  test(
    "a worker_thread may end with work in flight, and others carry on",
    () => {
      const result = program(`import { isMainThread, Worker } from "node:worker_threads"
if (!isMainThread) {
  const engine = await createEngine(tiny, 1, small)
  engine.generate(long)
  postMessage("busy")
} else {
  const mine = await createEngine(tiny, 2, small)
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(import.meta.filename)
    await new Promise((done) => worker.once("message", done))
    await worker.terminate()
  }
  console.log((await mine.generate({ ...long, maxTokens: 3 })).length)
}`)
      expect(result).toMatchObject({ exitCode: 0, stdout: "4\n" })
    },
    minute,
  )
})

test("what is left beside a failed save is what was there", async () => {
  const engine = await createEngine(tiny, 1, small)
  const dir = temporaryFolder()
  mkdirSync(join(dir, "model.safetensors"))
  expect(engine.save(dir)).rejects.toThrow(/model\.safetensors: cannot rename/)
  await engine.dispose()
  expect(readdirSync(dir).filter((name) => name.includes("tmp"))).toEqual([])
  expect(existsSync(join(dir, "model.safetensors"))).toBe(true)
})
