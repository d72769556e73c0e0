// RePro's price: J at every point of a thought, its answers branches of one forward pass, against (a) one plain log-probability pass over
// the same response and (b) a sequence of its own for every prefix, as the authors' code does. Ours on both sides; time and peak memory.
import { readFileSync, writeFileSync } from "node:fs"
import type { BenchFile } from "@rectify/cli"
import type { Engine, Forest } from "@rectify/engine"
import { openPolicy, type Shape, someTokens } from "./peers/policy.ts"

export const name = "repro-score"

const promptLength = 32
const answerLength = 8

type Segment = [parent: number, parentLength: number, tokens: Int32Array]

function forestOf(segments: readonly Segment[]): Forest {
  const tokens = new Int32Array(segments.reduce((sum, [, , ids]) => sum + ids.length, 0))
  let at = 0
  for (const [, , ids] of segments) {
    tokens.set(ids, at)
    at += ids.length
  }
  return {
    parent: Int32Array.from(segments, ([parent]) => parent),
    parentLength: Int32Array.from(segments, ([, length]) => length),
    length: Int32Array.from(segments, ([, , ids]) => ids.length),
    tokens,
  }
}

const prompt = someTokens(promptLength, 1)
const answer = someTokens(answerLength, 2)

/** The baseline, k points spread over the thought, and its end. */
const pointsOf = (thought: number, k: number) =>
  Array.from({ length: k + 2 }, (_, i) => Math.round((thought * i) / (k + 1)))

/** One pass: the prompt, the response, and the answers hanging from them. */
async function branches(engine: Engine, response: Int32Array, points: readonly number[]): Promise<number[]> {
  const hang = (p: number): Segment => (p === 0 ? [0, promptLength, answer] : [1, p, answer])
  const forest = forestOf([[-1, 0, prompt], [0, promptLength, response], ...points.map(hang)])
  const mask = new Uint8Array(forest.tokens.length).fill(1, promptLength)
  const { logprobs } = await engine.logprobs(forest, { mask })
  const first = promptLength + response.length
  return points.map((_, i) =>
    meanOf(logprobs.subarray(first + i * answerLength, first + (i + 1) * answerLength)),
  )
}

/** What every step pays anyway: the response's own log-probabilities. */
async function plain(engine: Engine, response: Int32Array): Promise<void> {
  const forest = forestOf([
    [-1, 0, prompt],
    [0, promptLength, response],
  ])
  await engine.logprobs(forest, { mask: new Uint8Array(forest.tokens.length).fill(1, promptLength) })
}

/** Every prefix again, each with its answer. */
async function prefixes(engine: Engine, response: Int32Array, points: readonly number[]): Promise<number[]> {
  const found: number[] = []
  for (const p of points) {
    const path = Int32Array.from([...prompt, ...response.subarray(0, p), ...answer])
    const mask = new Uint8Array(path.length).fill(1, path.length - answerLength)
    const { logprobs } = await engine.logprobs(forestOf([[-1, 0, path]]), { mask })
    found.push(meanOf(logprobs.subarray(path.length - answerLength)))
  }
  return found
}

const meanOf = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length

const status = (key: string) =>
  Number(
    readFileSync("/proc/self/status", "utf8").match(new RegExp(`${key}:\\s+(\\d+)`))?.[1] ?? Number.NaN,
  ) / 1024

/** Median milliseconds, and MiB of resident memory at the peak above what an engine with its weights holds. */
async function measure<T>(
  open: () => Promise<Engine>,
  run: (engine: Engine) => Promise<T>,
  repeats: number,
): Promise<{ ms: number; mib: number; result: T }> {
  const engine = await open()
  Bun.gc(true)
  writeFileSync("/proc/self/clear_refs", "5")
  const before = status("VmRSS")
  const times: number[] = []
  let result: T | undefined
  for (let i = 0; i < repeats; i++) {
    const start = performance.now()
    result = await run(engine)
    times.push(performance.now() - start)
  }
  const mib = status("VmHWM") - before
  await engine.dispose()
  return { ms: times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!, mib, result: result! }
}

export const run: BenchFile["run"] = async (emit, options) => {
  const shapes: Shape[] = options.quick ? ["256x4"] : ["256x4", "512x8"]
  for (const shape of shapes)
    for (const thought of options.quick ? [512] : [512, 2048, 8192])
      for (const k of options.quick ? [10] : [10, 20]) {
        const points = pointsOf(thought, k)
        const response = someTokens(thought, 3)
        const open = () =>
          openPolicy(shape, "f32", options, {
            training: false,
            threads: options.threads,
            maxBatchTokens: promptLength + thought + points.length * answerLength,
          })
        const repeats = options.quick ? 1 : thought > 2048 ? 2 : 5
        const ours = await measure(open, (engine) => branches(engine, response, points), repeats)
        const once = await measure(open, (engine) => plain(engine, response), repeats)
        const naive = await measure(
          open,
          (engine) => prefixes(engine, response, points),
          thought > 2048 ? 1 : 2,
        )
        const equal = ours.result.every((value, i) => value === naive.result[i])
        const what = `f32 ${shape}, thought ${thought}, k ${k}`
        const bits = equal ? "same bits" : "not the same bits"
        emit({ case: what, ours: ours.ms, unit: "ms", peer: "one plain pass", theirs: once.ms })
        emit({
          case: `${what} (${bits})`,
          ours: ours.ms,
          unit: "ms",
          peer: "a sequence per prefix",
          theirs: naive.ms,
        })
        emit({ case: what, ours: ours.mib, unit: "MiB", peer: "one plain pass", theirs: once.mib })
        emit({ case: what, ours: ours.mib, unit: "MiB", peer: "a sequence per prefix", theirs: naive.mib })
      }
}
