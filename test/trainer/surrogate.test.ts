// J from one forest against one plain sequence per prefix, with prefixes before the answer and several accepted answers.
import { expect, test } from "bun:test"
import { createEngine, parseConfig } from "@rectify/engine"
import { surrogates, type ThoughtGroup } from "../../packages/trainer/src/surrogate.ts"
import { FakeEngine } from "./fake-engine.ts"

const engine = new FakeEngine(12, 3)
const options = { temperature: 0.7, maxBatchTokens: 1000 }

/** Mean log-probability of the answer, every prefix spelled out and computed alone. */
function naive(context: number[], answer: number[]): number {
  let sum = 0
  for (const [i, token] of answer.entries())
    sum += Math.fround(engine.logprobsAfter([...context, ...answer.slice(0, i)], 0.7)[token]!)
  return sum / answer.length
}

const groups: ThoughtGroup[] = [
  {
    prompt: Int32Array.of(1, 2, 3),
    golds: [{ prefix: [9], answer: [4, 5, 6] }],
    thoughts: [
      { ids: Int32Array.of(5, 6, 7, 8, 9), points: [2, 3, 5], closed: true },
      { ids: Int32Array.of(7, 7), points: [2], closed: false },
    ],
  },
  {
    prompt: Int32Array.of(3),
    golds: [
      { prefix: [], answer: [4] },
      { prefix: [], answer: [6, 1] },
    ],
    thoughts: [{ ids: Int32Array.of(1, 1, 2, 3), points: [1, 4], closed: true }],
  },
]

function expected({ prompt, golds, thoughts }: ThoughtGroup): number[][] {
  return thoughts.map(({ ids, points, closed }) =>
    [0, ...points].map((p) => {
      const context = [...prompt, ...ids.subarray(0, p)]
      const after = closed && p === ids.length
      return Math.max(
        ...golds.map(({ prefix, answer }) => naive([...context, ...(after ? [] : prefix)], answer)),
      )
    }),
  )
}

test("shared prefixes give what separate sequences give, in one call", async () => {
  engine.calls.length = 0
  expect(await surrogates(engine, groups, options)).toEqual(groups.map(expected))
  expect(engine.calls).toEqual(["logprobs"])
})

test("the cut into micro-batches changes nothing", async () => {
  const whole = await surrogates(engine, groups, options)
  for (const maxBatchTokens of [27, 30, 40, 60])
    expect(await surrogates(engine, groups, { ...options, maxBatchTokens })).toEqual(whole)
})

test("a prefix before the answer is read and not scored", async () => {
  const [group] = groups as [ThoughtGroup]
  const bare: ThoughtGroup = { ...group, golds: [{ prefix: [], answer: [9, 4, 5, 6] }] }
  const [[thought]] = (await surrogates(engine, [bare], options)) as [number[][]]
  const [[other]] = (await surrogates(engine, [group], options)) as [number[][]]
  expect(thought![0]! * 4 - other![0]! * 3).toBeCloseTo(
    Math.fround(engine.logprobsAfter([1, 2, 3], 0.7)[9]!),
    6,
  )
})

test("a group without thoughts costs nothing", async () => {
  engine.calls.length = 0
  expect(await surrogates(engine, [{ ...groups[0]!, thoughts: [] }], options)).toEqual([[]])
  expect(engine.calls).toEqual([])
})

test("on our engine the forest equals naive sequences to the bit", async () => {
  const config = {
    architectures: ["Qwen2ForCausalLM"],
    vocab_size: 12,
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
    hidden_act: "silu",
    eos_token_id: 0,
    initializer_range: 0.3,
  }
  const own = await createEngine(parseConfig(config), 4, { threads: 1 })
  async function alone(context: number[], answer: number[]): Promise<number> {
    const tokens = Int32Array.from([...context, ...answer])
    const forest = {
      parent: Int32Array.of(-1),
      parentLength: Int32Array.of(0),
      length: Int32Array.of(tokens.length),
      tokens,
    }
    const { logprobs } = await own.logprobs(forest, { temperature: options.temperature })
    return logprobs.subarray(context.length).reduce((sum, value) => sum + value, 0) / answer.length
  }
  const separate: number[][][] = []
  for (const { prompt, golds, thoughts } of groups) {
    separate.push([])
    for (const { ids, points, closed } of thoughts) {
      const js: number[] = []
      for (const p of [0, ...points]) {
        const each = golds.map(({ prefix, answer }) =>
          alone([...prompt, ...ids.subarray(0, p), ...(closed && p === ids.length ? [] : prefix)], answer),
        )
        js.push(Math.max(...(await Promise.all(each))))
      }
      separate.at(-1)!.push(js)
    }
  }
  expect(await surrogates(own, groups, options)).toEqual(separate)
  expect(await surrogates(own, groups, { ...options, maxBatchTokens: 30 })).toEqual(separate)
  await own.dispose()
})
