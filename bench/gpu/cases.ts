// What bench:gpu measures through the engine: training steps, scoring, decoding and RePro's scoring of policies with random weights.
import {
  createEngine,
  type Engine,
  type EngineOptions,
  parseConfig,
  plainSampling,
  planMemory,
} from "@rectify/engine"
import { milliseconds, someTokens } from "../peers/policy.ts"
import { configOf, flopsPerToken, type Shape, vocabularyOf } from "./shapes.ts"

export interface Setting {
  device: string
  quick: boolean
  emit(name: string, value: number, unit: string): void
  note(text: string): void
}

const MiB = 2 ** 20

const open = (shape: Shape, options: Partial<EngineOptions>): Promise<Engine> =>
  createEngine(parseConfig(configOf(shape)), 0, { dtype: "bfloat16", ...options })

async function withEngine(
  shape: Shape,
  options: Partial<EngineOptions>,
  work: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await open(shape, options)
  try {
    await work(engine)
  } finally {
    await engine.dispose()
  }
}

/** Most bytes that the engine's arrays took on the device, and what its plan had set aside. */
async function memory(engine: Engine, name: string, { emit }: Setting): Promise<void> {
  const { plan, peakBytes } = await engine.stats()
  const { weights, grads, adam, activations, kv } = plan
  emit(
    `${name.replace(/^train step|^decode/, (what) => `${what.split(" ")[0]} memory`)}`,
    peakBytes / MiB,
    "MiB",
  )
  emit(
    `${name.replace(/^train step|^decode/, (what) => `${what.split(" ")[0]} memory planned`)}`,
    (weights + grads + adam + activations + kv) / MiB,
    "MiB",
  )
}

/** The first that fits the device: as many rows as asked for, if need be with the activations computed twice, or fewer. */
function fitting(
  shape: Shape,
  rows: number,
  length: number,
  device: string,
): { rows: number; options: Partial<EngineOptions> } {
  for (let n = rows; ; n = Math.ceil(n / 2))
    for (const gradientCheckpointing of [false, true]) {
      const options = { device, maxBatchTokens: n * length, gradientCheckpointing, maxDecodeRows: 1 }
      try {
        planMemory(parseConfig(configOf(shape)), { dtype: "bfloat16", ...options })
        return { rows: n, options }
      } catch (error) {
        if (n === 1 && gradientCheckpointing) throw error
      }
    }
}

const adamw = {
  learningRate: 1e-5,
  weightDecay: 0.01,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
}

/**
 * Whole steps: forward, backward, gradient norm, AdamW over a batch, in as many calls as its memory makes necessary.
 * `rates`: TFLOP/s to which the model's arithmetic is held, by name.
 */
export function training(
  shape: Shape,
  batch: number,
  length: number,
  rates: Record<string, number | undefined>,
  setting: Setting,
): Promise<void> {
  const { emit, note, quick, device } = setting
  const { rows, options } = fitting(shape, batch, length, device)
  const calls = Math.ceil(batch / rows)
  const name = `train step ${shape} ${rows * calls}x${length}`
  const recomputed = options.gradientCheckpointing ? ", activations computed twice" : ""
  note(`${name}: ${calls} x ${rows} rows${recomputed}`)
  return withEngine(shape, options, async (engine) => {
    const tokens = someTokens(rows * length, 1, vocabularyOf(shape))
    const mask = Uint8Array.from(tokens, (_, i) => (i % length === 0 ? 0 : 1))
    const forest = {
      parent: new Int32Array(rows).fill(-1),
      parentLength: new Int32Array(rows),
      length: new Int32Array(rows).fill(length),
      tokens,
    }
    const weights = Float32Array.from(mask, (on) => on / (rows * calls * (length - 1)))
    const step = async () => {
      for (let i = 0; i < calls; i++)
        await engine.train({ forest, mask, temperature: 1, loss: { kind: "sft", weights } })
      await engine.step(adamw)
    }
    const repeats = quick ? 1 : 3
    const perSecond = (rows * calls * length * 1000) / (await milliseconds(step, repeats))
    const tflops = (perSecond * flopsPerToken(shape, length)) / 1e12
    emit(name, perSecond, "tok/s")
    emit(`${name}, model arithmetic`, tflops, "TFLOP/s")
    for (const [rate, most] of Object.entries(rates))
      if (most) emit(`${name}, of ${rate}`, (100 * tflops) / most, "%")
    await memory(engine, name, setting)
    const ms = await milliseconds(() => engine.logprobs(forest), repeats)
    emit(`score ${shape} ${rows}x${length}`, (rows * length * 1000) / ms, "tok/s")
  })
}

/** New tokens a second, the prompt's part taken off; then what `more` measures with the same engine. */
export function decoding(
  shape: Shape,
  batches: number[],
  tokens: number,
  setting: Setting,
  more: (engine: Engine) => Promise<void> = async () => {},
): Promise<void> {
  const { emit, quick, device } = setting
  const options = { device, training: false, maxDecodeRows: Math.max(...batches), maxBatchTokens: 8192 }
  return withEngine(shape, options, async (engine) => {
    for (const rows of batches) {
      const prompts = Array.from({ length: rows }, (_, i) => someTokens(32, i, vocabularyOf(shape)))
      const take = (maxTokens: number) =>
        milliseconds(() => engine.generate({ ...plainSampling, n: 1, prompts, maxTokens }), quick ? 1 : 3)
      const ms = (await take(tokens + 1)) - (await take(1))
      emit(`decode ${shape} batch ${rows}`, (rows * tokens * 1000) / ms, "tok/s")
    }
    await memory(engine, `decode ${shape} batch ${Math.max(...batches)}`, setting)
    await more(engine)
  })
}

/** A thought with an answer of 8 tokens at 22 points: in one forest, and each prefix scored anew. */
export async function reproScoring(
  engine: Engine,
  shape: Shape,
  thought: number,
  { emit, quick }: Setting,
): Promise<void> {
  const points = 22
  const ends = Array.from({ length: points }, (_, i) => Math.max(1, Math.round((thought * (i + 1)) / points)))
  const some = (count: number) => someTokens(count, 3, vocabularyOf(shape))
  const whole = {
    parent: Int32Array.from([-1, ...ends.map(() => 0)]),
    parentLength: Int32Array.from([0, ...ends]),
    length: Int32Array.from([thought, ...ends.map(() => 8)]),
    tokens: some(thought + 8 * points),
  }
  const alone = (end: number) => ({
    parent: Int32Array.from([-1]),
    parentLength: Int32Array.from([0]),
    length: Int32Array.from([end + 8]),
    tokens: some(end + 8),
  })
  const name = `repro scoring ${shape}, ${thought} tokens, ${points} points`
  emit(name, await milliseconds(() => engine.logprobs(whole), quick ? 1 : 5), "ms")
  const anew = async () => {
    for (const end of ends) await engine.logprobs(alone(end))
  }
  emit(`${name}, each prefix anew`, await milliseconds(anew, 1), "ms")
}
