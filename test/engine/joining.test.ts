// Generate calls that come while another goes on: batched with it, answered by themselves, followed and ended alone.
import { describe, expect, test } from "bun:test"
import {
  type Completion,
  createEngine,
  type FreshTokens,
  openEngine,
  parseConfig,
  plainSampling,
} from "@rectify/engine"
import { goldenModel } from "../golden.ts"

const tiny = parseConfig({
  architectures: ["Qwen2ForCausalLM"],
  hidden_size: 16,
  intermediate_size: 24,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  num_hidden_layers: 2,
  vocab_size: 40,
  max_position_embeddings: 1 << 20,
  tie_word_embeddings: true,
  initializer_range: 0.5,
})
const open = () => createEngine(tiny, 1, { threads: 1, maxBatchTokens: 128, maxDecodeRows: 6 })
const sampling = {
  ...plainSampling,
  prompts: [Int32Array.of(3, 4, 5), Int32Array.of(7)],
  n: 2,
  maxTokens: 40,
  seed: 5,
}
const forest = {
  parent: Int32Array.of(-1),
  parentLength: Int32Array.of(0),
  length: Int32Array.of(4),
  tokens: Int32Array.of(3, 17, 30, 8),
}
const endless = { ...sampling, prompts: [Int32Array.of(9)], n: 1, maxTokens: 500_000, seed: 1 }
const plain = (completions: Completion[]) =>
  completions.map(({ ids, logprobs, ...rest }) => ({ ...rest, ids: [...ids], logprobs: [...logprobs] }))

describe("joining", () => {
  test("a call that comes later is answered while the first goes on, with the words it has alone", async () => {
    const engine = await open()
    const hot = { ...sampling, temperature: 1.7, topK: 5, repetitionPenalty: 1.3, seed: 77, maxTokens: 33 }
    const cold = { ...sampling, temperature: 0, maxTokens: 90, stopTokens: [11], n: 5 }
    const alone = [await engine.generate(hot), await engine.generate(cold), await engine.generate(sampling)]
    const ending = new AbortController()
    let over = false
    const first = engine.generate(endless, { signal: ending.signal }).finally(() => {
      over = true
    })
    await Bun.sleep(20)
    const joined = await Promise.all([
      engine.generate(hot),
      engine.generate(cold),
      engine.generate(sampling),
      engine.logprobs(forest),
      engine.stats(),
    ])
    expect(over).toBe(false)
    for (const i of [0, 1, 2] as const) expect(plain(joined[i])).toEqual(plain(alone[i]!))
    ending.abort()
    const [cut] = await first
    expect(cut!.finishReason).toBe("cancelled")
    // Some of the first call was decoded among the others, some alone: still the words of its seed.
    const [whole] = await engine.generate({ ...endless, maxTokens: cut!.ids.length })
    expect([...cut!.ids]).toEqual([...whole!.ids])
    expect([...cut!.logprobs]).toEqual([...whole!.logprobs])
    expect([...(await joined[3]).logprobs]).toEqual([...(await engine.logprobs(forest)).logprobs])
    await engine.dispose()
  }, 30_000)

  test("ending one call ends no other, begun or waiting", async () => {
    const engine = await open()
    const [one, two] = [new AbortController(), new AbortController()]
    const calls = [
      engine.generate(endless, { signal: one.signal }),
      engine.generate(sampling),
      engine.generate({ ...endless, n: 6 }, { signal: two.signal }),
    ]
    two.abort()
    expect((await calls[1]!).map(({ finishReason }) => finishReason)).toEqual(Array(4).fill("length"))
    expect((await calls[2]!).map(({ finishReason }) => finishReason)).toEqual(Array(6).fill("cancelled"))
    one.abort()
    expect((await calls[0]!)[0]!.finishReason).toBe("cancelled")
    const aborted = engine.generate(sampling, { signal: one.signal })
    expect(aborted).rejects.toThrow(/aborted/)
    expect(plain(await engine.generate(sampling))).toHaveLength(4)
    await engine.dispose()
  }, 30_000)

  test("a bad call among good ones fails alone", async () => {
    const engine = await open()
    const good = engine.generate({ ...sampling, maxTokens: 400 })
    const bad = engine.generate({ ...sampling, prompts: [Int32Array.of(40)] })
    expect(bad).rejects.toThrow(/prompts\[0\]: expected token ids 0\.\.39, got 40/)
    expect(await good).toHaveLength(4)
    await engine.dispose()
  })

  test("a verb that changes the engine waits for the calls before it and holds those behind it", async () => {
    const engine = await open()
    const order: string[] = []
    const told = (name: string) => () => order.push(name)
    await Promise.all([
      engine.generate({ ...sampling, maxTokens: 300 }).then(told("first")),
      engine.freeze().then(told("freeze")),
      engine.generate({ ...sampling, maxTokens: 1 }).then(told("second")),
    ])
    expect(order).toEqual(["first", "freeze", "second"])
    await engine.dispose()
  })
})

describe("following", () => {
  test("tokens come while the call goes on, each once, and the rest with the result", async () => {
    const engine = await open()
    const told: FreshTokens[] = []
    const all = await engine.generate(
      { ...sampling, maxTokens: 3000, topLogprobs: 2 },
      { onTokens: (fresh) => told.push(fresh) },
    )
    expect(told.length).toBeGreaterThan(1)
    for (const [index, { ids, logprobs, topIds, topLogprobs }] of all.entries()) {
      const seen = {
        ids: [] as number[],
        logprobs: [] as number[],
        top: [] as number[],
        topIds: [] as number[],
      }
      for (const fresh of told)
        for (const [at, completion] of fresh.completion.entries()) {
          if (completion !== index) continue
          seen.ids.push(fresh.ids[at]!)
          seen.logprobs.push(fresh.logprobs[at]!)
          seen.topIds.push(...fresh.topIds.subarray(2 * at, 2 * at + 2))
          seen.top.push(...fresh.topLogprobs.subarray(2 * at, 2 * at + 2))
        }
      const count = seen.ids.length
      expect(count).toBeGreaterThan(0)
      expect(seen.ids).toEqual([...ids.subarray(0, count)])
      expect(seen.logprobs).toEqual([...logprobs.subarray(0, count)])
      expect(seen.topIds).toEqual([...topIds!.subarray(0, 2 * count)])
      expect(seen.top).toEqual([...topLogprobs!.subarray(0, 2 * count)])
    }
    await engine.dispose()
  }, 30_000)
})

describe("the likeliest tokens", () => {
  const golden = goldenModel("qwen2")
  const lengths = golden.get("lengths")
  const ids = Int32Array.from(golden.get("ids"))
  const packed = {
    parent: new Int32Array(lengths.length).fill(-1),
    parentLength: new Int32Array(lengths.length),
    length: Int32Array.from(lengths),
    tokens: ids,
  }

  test("of a scored text are those of transformers' logits", async () => {
    const engine = await openEngine(golden.dir, { threads: 1, maxBatchTokens: 64, training: false })
    const { logprobs, topIds, topLogprobs } = await engine.logprobs(packed, {
      topLogprobs: 4,
      temperature: 0.7,
    })
    const logits = golden.get("logits")
    const size = golden.tensors.get("logits")!.shape[1]!
    let row = 0
    let at = 0
    for (const length of lengths)
      for (let i = 0; i < length; i++, at++) {
        const own = [...topIds!.subarray(4 * at, 4 * at + 4)]
        if (i === 0) {
          expect(own).toEqual([-1, -1, -1, -1])
          continue
        }
        const z = [...logits.subarray(row * size, ++row * size)].map((value) => value / 0.7)
        const total = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0))
        const best = z.map((_, id) => id).sort((a, b) => z[b]! - z[a]! || a - b)
        expect(own).toEqual(best.slice(0, 4))
        for (const [k, id] of own.entries()) expect(topLogprobs![4 * at + k]!).toBeCloseTo(z[id]! - total, 4)
        // Equality is how readers tell that a token was the likeliest: it must hold to the bit.
        const known = own.indexOf(ids[at]!)
        if (known >= 0) expect(topLogprobs![4 * at + known]).toBe(logprobs[at]!)
      }
    await engine.dispose()
  })

  test("of a greedy completion begin with its own", async () => {
    const engine = await openEngine(golden.dir, { threads: 1, maxBatchTokens: 64, training: false })
    const prompt = Int32Array.from(golden.get("greedy.prompt"))
    const [done] = await engine.generate({
      ...{ ...sampling, prompts: [prompt], n: 1, maxTokens: 24, temperature: 0 },
      topLogprobs: 3,
    })
    expect([...done!.ids]).toEqual([...golden.get("greedy.ids")])
    expect([...done!.topIds!].filter((_, i) => i % 3 === 0)).toEqual([...done!.ids])
    expect([...done!.topLogprobs!].filter((_, i) => i % 3 === 0)).toEqual([...done!.logprobs])
    await engine.dispose()
  })
})
