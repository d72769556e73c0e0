// What is served: its names, its stop tokens, and an adapter on its model.
import { expect, test } from "bun:test"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { openEngine, plainSampling } from "@rectify/engine"
import { openServedModel } from "@rectify/serve"
import { tinyModel } from "../tiny-model.ts"

const small = { threads: 1, maxBatchTokens: 64, maxDecodeRows: 4 }
const ask = {
  ...plainSampling,
  prompts: [Int32Array.of(5, 6, 7)],
  n: 1,
  maxTokens: 16,
  temperature: 0,
}

test("a folder is called by its last part, a name of the hub by itself, or as one likes", async () => {
  const dir = await tinyModel()
  const names = await Promise.all(
    [{ dir }, { dir, model: "org/tiny" }, { dir, name: "mine" }].map(async (given) => {
      const { engine, name, stopTokens } = await openServedModel({ ...given, engine: small })
      await engine.dispose()
      expect(stopTokens.toSorted()).toEqual([320, 322]) // those of generation_config.json
      return name
    }),
  )
  expect(names).toEqual([basename(dir), "org/tiny", "mine"])
})

test("an adapter is served on its model, with the model's tokenizer", async () => {
  const base = await tinyModel()
  const lora = {
    ...{ rank: 4, alpha: 16, dropout: 0, rslora: false, seed: 1 },
    targetModules: ["q_proj", "v_proj", "down_proj"],
  }
  const trained = await openEngine(base, { ...small, lora })
  const tokens = Int32Array.from({ length: 12 }, (_, i) => 5 + i)
  const forest = {
    parent: Int32Array.of(-1),
    parentLength: Int32Array.of(0),
    length: Int32Array.of(12),
    tokens,
  }
  for (let step = 0; step < 8; step++) {
    const weights = new Float32Array(12).fill(1)
    await trained.train({
      forest,
      mask: new Uint8Array(12).fill(1, 1),
      temperature: 1,
      loss: { kind: "sft", weights },
    })
    await trained.step({
      ...{
        learningRate: 0.05,
        weightDecay: 0,
        adamBeta1: 0.9,
        adamBeta2: 0.99,
        adamEpsilon: 1e-8,
        maxGradNorm: 1,
      },
    })
  }
  const [expected] = await trained.generate(ask)
  const adapter = mkdtempSync(join(tmpdir(), "rectify-adapter-"))
  await trained.save(adapter)
  await trained.dispose()
  const served = await openServedModel({ dir: adapter, base, engine: small })
  const plain = await openServedModel({ dir: base, engine: small })
  expect([...(await served.engine.generate(ask))[0]!.ids]).toEqual([...expected!.ids])
  expect([...(await plain.engine.generate(ask))[0]!.ids]).not.toEqual([...expected!.ids])
  expect(served.tokenizer.hasChatTemplate).toBe(true)
  await Promise.all([served.engine.dispose(), plain.engine.dispose()])
})
