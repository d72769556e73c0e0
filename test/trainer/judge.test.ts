// RePro's judgement of whole groups: points, rewards, and who earns none.
import { describe, expect, test } from "bun:test"
import { judge } from "../../packages/trainer/src/judge.ts"
import type { ProcessKeys } from "../../packages/trainer/src/recipe/process-schema.ts"
import { FakeEngine, reproScores } from "./fake-engine.ts"
import { asTokenizer, group, pieceTokenizer, processKeys, prompt, scored } from "./fixtures.ts"

const tokenizer = pieceTokenizer([
  "a",
  "b",
  "c",
  "\n\n",
  ".\n\n",
  "</think>",
  "\\boxed{",
  "}",
  "1",
  "2",
  "<bos>",
])
const engine = new FakeEngine(12, 5)
const context = {
  tokenizer: asTokenizer(tokenizer),
  vocabulary: tokenizer.vocabulary(),
  temperature: 1,
  maxBatchTokens: 500,
  seed: 1,
  step: 1,
}
const ids = (text: string) => [...tokenizer.encode(text)]
const ended = (text: string) => [...ids(text), 0]
const run = (
  samples: ReturnType<typeof scored>[],
  process: Partial<ProcessKeys> = {},
  of = prompt(ids("ab"), "12"),
) => judge(engine, [group(of, samples)], processKeys({ method: "repro", ...process }), context)
const positions = async (text: string, process: Partial<ProcessKeys> = {}) =>
  (await run([scored(ended(text))], process))[0]!.samples[0]!.points.map(({ position }) => position)

test("the baseline, the breaks and the end of the thought", async () => {
  expect(await positions("a\n\nb.\n\nc</think>12")).toEqual([0, 2, 4, 6])
})

test("no break: a single reward for the whole thought", async () => {
  expect(await positions("abc</think>1")).toEqual([0, 4])
})

test("an empty thought, one without an end tag, and the token that ended it", async () => {
  expect(await positions("</think>12")).toEqual([0, 1])
  expect(await positions("a\n\nb")).toEqual([0, 2, 3])
  const [{ samples }] = (await run([scored([0])])) as [Awaited<ReturnType<typeof run>>[number]]
  expect(samples[0]).toMatchObject({ points: [], skipped: "empty" })
})

test("top k by the sampled entropies", async () => {
  expect(await positions("a\n\nb\n\nc\n\na</think>", { num_forking_token: 1 })).toEqual([0, 6, 8])
  expect(await positions("a\n\nb\n\nc\n\na</think>", { num_forking_token: 0 })).toEqual([0, 8])
})

test("J is that of the template, nothing added, and S and r follow from it", async () => {
  const [{ samples }] = (await run([scored(ended("a\n\nb</think>12"))])) as [
    Awaited<ReturnType<typeof run>>[number],
  ]
  const { points } = samples[0]!
  const answer = ids("\\boxed{12}")
  const mean = (context: number[]) =>
    answer.reduce(
      (sum, token, i) => sum + Math.fround(engine.logprobsAfter([...context, ...answer.slice(0, i)])[token]!),
      0,
    ) / answer.length
  const contexts = ["ab", "aba\n\n", "aba\n\nb</think>"].map(ids)
  expect(points.map(({ surrogate }) => surrogate)).toEqual(contexts.map(mean))
  const scores = reproScores({
    surrogate: Float32Array.from(contexts.map(mean)),
    begin: Int32Array.of(0, 3),
    stabilityWeight: 0,
    emaWeight: 1,
    firstReward: "score",
  })
  expect(points.map(({ reward }) => reward)).toEqual([...scores.reward])
  expect(points[0]!.reward).toBe(0)
  expect(points[1]!.reward + points[2]!.reward).toBeCloseTo(points[2]!.score, 6)
})

describe("who earns no process reward", () => {
  const good = scored(ended("a</think>12"))
  const wrong = scored(ended("a</think>1"), { correct: false })
  const cut = scored(ids("a\n\nb"), { finishReason: "length" })
  const skips = async (process: Partial<ProcessKeys>, of = prompt(ids("ab"), "12")) =>
    (await run([good, wrong, cut], process, of))[0]!.samples.map(({ skipped }) => skipped)

  test("by default everybody does, wrong and truncated ones too", async () => {
    expect(await skips({})).toEqual([undefined, undefined, undefined])
  })
  test("correct_only and include_truncated", async () => {
    expect(await skips({ correct_only: true })).toEqual([undefined, "incorrect", undefined])
    expect(await skips({ include_truncated: false })).toEqual([undefined, undefined, "truncated"])
  })
  test("a row without an answer", async () => {
    expect(await skips({}, prompt(ids("ab")))).toEqual(["no_answer", "no_answer", "no_answer"])
  })
  test("method none asks the engine nothing", async () => {
    engine.calls.length = 0
    const [{ samples }] = (await run([good], { method: "none" })) as [Awaited<ReturnType<typeof run>>[number]]
    expect(samples[0]!.points).toEqual([])
    expect(engine.calls).toEqual([])
  })
})

test("of several accepted answers the best counts", async () => {
  const one = (answer: string) => prompt(ids("ab"), answer)
  const both = prompt(ids("ab"), "1", 0, { answers: ["1", "2"] })
  const sample = [scored(ended("a\n\nb</think>1"))]
  const js = async (of: ReturnType<typeof prompt>) =>
    (await run(sample, {}, of))[0]!.samples[0]!.points.map(({ surrogate }) => surrogate)
  const [first, second, best] = [await js(one("1")), await js(one("2")), await js(both)]
  expect(best).toEqual(first.map((value, i) => Math.max(value, second[i]!)))
})

test("a dollar sign in the answer is text, not a pattern", async () => {
  const dollar = pieceTokenizer(["a", "</think>", "$&", "\\boxed{", "}"])
  const judged = await judge(
    new FakeEngine(6),
    [group(prompt([1], "$&"), [scored([1, 2, 0])])],
    processKeys({ method: "repro" }),
    { ...context, tokenizer: asTokenizer(dollar), vocabulary: dollar.vocabulary() },
  )
  expect(judged[0]!.samples[0]!.points).toHaveLength(2)
})

test("groups are judged alike alone and together", async () => {
  const process = processKeys({ method: "repro" })
  const groups = [
    group(prompt(ids("ab"), "12"), [scored(ended("a\n\nb</think>1")), scored(ended("c</think>2"))]),
    group(prompt(ids("c"), "2", 1), [scored(ended("b.\n\nb\n\na</think>2"))]),
  ]
  const together = await judge(engine, groups, process, context)
  const alone = await Promise.all(groups.map((each) => judge(engine, [each], process, context)))
  expect(alone.flat()).toEqual(together)
  expect(await judge(engine, groups, process, { ...context, maxBatchTokens: 60 })).toEqual(together)
})
