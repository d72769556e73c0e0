// Whole runs: what they tell and leave behind, and that a stopped and resumed run is the same run, on a table and on our engine.
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TrainEvent } from "../../packages/trainer/src/events.ts"
import { type OpenEngine, openModel } from "../../packages/trainer/src/policy.ts"
import type { Recipe } from "../../packages/trainer/src/recipe.ts"
import { noRecorder, type Recorder } from "../../packages/trainer/src/recorder.ts"
import { recipeOfRun } from "../../packages/trainer/src/run-folder.ts"
import { dryRun, type TrainOptions, train } from "../../packages/trainer/src/train.ts"
import { FakeEngine } from "./fake-engine.ts"
import { recipe } from "./fixtures.ts"

let runsDir = ""
beforeEach(async () => {
  runsDir = await mkdtemp(join(tmpdir(), "train-"))
})
afterEach(() => rm(runsDir, { recursive: true }))

const tiny = (given: Record<string, unknown> = {}): Recipe =>
  recipe({
    model: {
      architectures: ["Qwen2ForCausalLM"],
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      max_position_embeddings: 512,
      tie_word_embeddings: true,
      hidden_act: "silu",
    },
    dataset: { name: "column-addition", max_columns: 2 },
    warm_start: { stages: [{ name: "all", steps: 3 }], batch_size: 4 },
    process: {
      method: "repro",
      repro_alpha: 0.2,
      delimiter: ".",
      answer_template: "{answer}",
      answer_prefix: "</think>",
    },
    learning_rate: 0.01,
    max_steps: 4,
    max_completion_length: 12,
    evaluation: { size: 4 },
    seed: 5,
    threads: 1,
    run_name: "tiny",
    ...given,
  })

const engines: [string, OpenEngine][] = [
  ["table", FakeEngine.open],
  ["our engine", openModel],
]

async function run(specs: Recipe, { onEvent, ...given }: Partial<TrainOptions> = {}) {
  const events: TrainEvent[] = []
  const outcome = await train(specs, {
    open: FakeEngine.open,
    runsDir,
    onEvent: (event) => {
      events.push(event)
      return onEvent?.(event)
    },
    ...given,
  })
  const of = <K extends TrainEvent["event"]>(kind: K) =>
    events.filter((event): event is Extract<TrainEvent, { event: K }> => event.event === kind)
  return { outcome, events, of, dir: of("start")[0]!.run_dir }
}

/** Everything but time and memory. */
const lasting = (metrics: Record<string, number>) =>
  Object.fromEntries(Object.entries(metrics).filter(([name]) => !/^(timing_s|perf)\/|^step_time$/.test(name)))

async function metricsOf(dir: string) {
  const lines = (await readFile(join(dir, "metrics.jsonl"), "utf8")).trim().split("\n")
  return lines.map((line) => lasting(JSON.parse(line)))
}

async function weightsOf(dir: string) {
  const names = (await readdir(dir)).filter((name) => /^(model|optimizer)\./.test(name)).sort()
  return Promise.all(names.map(async (name) => [name, Bun.hash(await readFile(join(dir, name)))]))
}

/** Aborts once `step` is done. */
function stopAfter(step: number) {
  const stop = new AbortController()
  return {
    signal: stop.signal,
    onEvent: (event: TrainEvent) => {
      if (event.event === "step" && event.step === step) stop.abort()
    },
  }
}

describe.each(engines)("on %s", (_, open) => {
  test("a run tells everything in order and leaves it in its folder", async () => {
    const { outcome, events, of, dir } = await run(
      tiny({ eval_steps: 2, save_steps: 2, save_total_limit: 1 }),
      { open },
    )
    expect(outcome).toBe("done")
    const kinds = events.map(({ event }) => event)
    expect(kinds.filter((kind) => kind !== "sample" && kind !== "warning")).toEqual([
      "start",
      "warm_start",
      "evaluation",
      "step",
      "step",
      "evaluation",
      "checkpoint",
      "step",
      "step",
      "evaluation",
      "checkpoint",
      "done",
    ])
    expect(of("start")[0]).toMatchObject({
      arithmetic: "2 prompts x 2 samples = 4 sequences -> 1 update of 4",
      steps: 4,
    })
    for (const { metrics } of of("step")) {
      expect(metrics["sampling/sampling_logp_difference/max"]).toBe(0)
      expect(metrics).toContainKeys([
        "reward",
        "entropy",
        "loss",
        "grad_norm",
        "step_time",
        "timing_s/repro_score",
      ])
      expect(Object.values(metrics).every(Number.isFinite)).toBe(true)
    }
    expect(of("done")[0]).toMatchObject({
      steps: 4,
      before: of("evaluation")[0]!.samples && expect.any(Object),
    })
    expect((await metricsOf(dir)).map(({ step }) => step)).toEqual([1, 2, 3, 4])
    expect((await readdir(dir)).sort()).toEqual(["checkpoint-4", "metrics.jsonl", "recipe.json"])
    expect(existsSync(join(dir, "checkpoint-4/tokenizer.json"))).toBe(true)
    expect((await recipeOfRun(dir)).keys).toEqual(of("start")[0]!.recipe as never)
  })

  test("stopped after 2 steps and resumed is 4 steps, to the bit", async () => {
    const specs = tiny({ num_iterations: 2, beta: 0.1, lr_scheduler_type: "cosine" })
    const whole = await run(specs, { open })
    const first = await run(specs, { open, ...stopAfter(2), runsDir: join(runsDir, "other") })
    const [place] = await readdir(join(runsDir, "other")).then((names) =>
      names.filter((name) => !name.startsWith(".")),
    )
    const resume = join(runsDir, "other", place!)
    expect(first.outcome).toBe("interrupted")
    const second = await run(await recipeOfRun(resume), { open, resume })
    expect(second.of("start")[0]).toMatchObject({ resumed: true, step: 2 })
    expect(second.of("warm_start")).toEqual([])
    expect(await metricsOf(resume)).toEqual(await metricsOf(whole.dir))
    expect(await weightsOf(join(resume, "checkpoint-4"))).toEqual(
      await weightsOf(join(whole.dir, "checkpoint-4")),
    )
    expect(second.of("done")[0]).toMatchObject({
      before: whole.of("done")[0]!.before,
      after: whole.of("done")[0]!.after,
    })
  })

  test("the same seed is the same run, its warm start found again; another seed is another", async () => {
    const one = await run(tiny(), { open })
    const two = await run(tiny(), { open })
    const other = await run(tiny({ seed: 6 }), { open })
    expect(one.of("warm_start").map(({ cached }) => cached)).toEqual([false])
    expect(two.of("warm_start").map(({ cached }) => cached)).toEqual([true])
    expect(other.of("warm_start").map(({ cached }) => cached)).toEqual([false])
    expect(await metricsOf(two.dir)).toEqual(await metricsOf(one.dir))
    expect(await weightsOf(join(two.dir, "checkpoint-4"))).toEqual(
      await weightsOf(join(one.dir, "checkpoint-4")),
    )
    expect(await metricsOf(other.dir)).not.toEqual(await metricsOf(one.dir))
  })

  test("the cut into micro-batches leaves what is sampled, scored and judged to the bit", async () => {
    const one = await run(tiny({ max_steps: 1, warm_start: null }), { open })
    const cut = await run(tiny({ max_steps: 1, warm_start: null, max_batch_tokens: 80 }), { open })
    const kept = (all: Record<string, number>[]) =>
      all.map((metrics) =>
        Object.fromEntries(
          Object.entries(metrics).filter(([name]) =>
            /^(process|completions|rewards|sampling)\/|^reward/.test(name),
          ),
        ),
      )
    expect(kept(await metricsOf(cut.dir))).toEqual(kept(await metricsOf(one.dir)))
    const [a, b] = [(await metricsOf(one.dir))[0]!, (await metricsOf(cut.dir))[0]!]
    expect(b.grad_norm).toBeCloseTo(a.grad_norm!, 6)
  })
})

test("process none and alpha 0 train alike, to the bit", async () => {
  const off = await run(tiny({ process: { method: "none" } }), { open: openModel })
  const zero = await run(
    tiny({ process: { method: "repro", repro_alpha: 0, delimiter: ".", answer_template: "{answer}" } }),
    {
      open: openModel,
    },
  )
  expect(await weightsOf(join(zero.dir, "checkpoint-4"))).toEqual(
    await weightsOf(join(off.dir, "checkpoint-4")),
  )
})

test("stopped during the warm start: nothing is saved, and resuming begins again", async () => {
  const stop = new AbortController()
  stop.abort()
  const first = await run(tiny(), { signal: stop.signal })
  expect(first.outcome).toBe("interrupted")
  expect(first.of("interrupted")[0]).toMatchObject({ step: 0, resume: expect.stringContaining("--resume") })
  const second = await run(tiny(), { resume: first.dir })
  expect(second.outcome).toBe("done")
  expect(second.of("start")[0]).toMatchObject({ resumed: false, step: 0 })
})

test("a stop in the last step is the end", async () => {
  expect((await run(tiny({ max_steps: 2 }), stopAfter(2))).outcome).toBe("done")
})

test("no steps: the warm start is evaluated and saved", async () => {
  const { of, dir } = await run(tiny({ max_steps: 0 }))
  expect(of("done")[0]!.before).toEqual(of("done")[0]!.after)
  expect(existsSync(join(dir, "checkpoint-0"))).toBe(true)
})

test("a damaged checkpoint is refused, a used folder too", async () => {
  const { dir } = await run(tiny({ output_dir: join(runsDir, "mine") }))
  expect(run(tiny({ output_dir: dir }))).rejects.toThrow("--resume")
  await writeFile(join(dir, "checkpoint-4/model.json"), "{}")
  expect(run(tiny(), { resume: dir })).rejects.toThrow("is damaged")
})

test("records: state, steps and completions with their trajectories; a failure is kept and thrown", async () => {
  const seen: unknown[][] = []
  const recorder = Object.fromEntries(
    Object.keys(noRecorder).map((name) => [
      name,
      async (...given: unknown[]) => void seen.push([name, ...given]),
    ]),
  ) as unknown as Recorder
  const { dir } = await run(tiny({ max_steps: 1 }), { recorder })
  const name = dir.split("/").at(-1)
  const told = seen.filter(([, , event]) => (event as { kind?: string } | undefined)?.kind !== "warning")
  expect(told.map(([call]) => call)).toEqual([
    "createRun",
    "setState",
    "recordEvaluation",
    "recordCompletions",
    "recordStep",
    "recordEvent",
    "recordEvaluation",
    "setState",
  ])
  const rows = seen.find(([call]) => call === "recordCompletions")![3] as { points?: { offset: number }[] }[]
  expect(rows).toHaveLength(4)
  expect(rows.some(({ points }) => points && points[0]!.offset === 0)).toBe(true)
  expect(seen.at(-1)).toEqual(["setState", name, "done"])

  const broken: OpenEngine = async (source) => {
    const engine = await FakeEngine.open(source)
    engine.train = () => Promise.reject(new Error("out of memory"))
    return engine
  }
  await expect(run(tiny({ warm_start: null }), { open: broken, recorder })).rejects.toThrow("out of memory")
  expect(seen.at(-2)).toEqual(["setState", expect.any(String), "failed", "out of memory"])
})

test("a dry run opens nothing and writes nothing", async () => {
  const { plan, arithmetic, steps } = await dryRun(tiny())
  expect({ arithmetic, steps }).toEqual({
    arithmetic: "2 prompts x 2 samples = 4 sequences -> 1 update of 4",
    steps: 4,
  })
  expect(plan.weights).toBeGreaterThan(0)
  expect(await readdir(runsDir)).toEqual([])
})

test("resuming with another recipe says what changed, and keeps it", async () => {
  const { dir } = await run(tiny({ max_steps: 2 }))
  const longer = await run(await recipeOfRun(dir, [["max_steps", "3"]]), { resume: dir })
  expect(longer.of("warning").map(({ message }) => message)).toEqual([
    "resumed with another recipe: max_steps: 2 -> 3",
  ])
  expect(longer.of("step").map(({ step }) => step)).toEqual([3])
  expect((await recipeOfRun(dir)).keys.max_steps).toBe(3)
})

test("fewer steps than are done are refused", async () => {
  const { dir } = await run(tiny({ max_steps: 2 }))
  const fewer = await recipeOfRun(dir, [["max_steps", "1"]])
  expect(run(fewer, { resume: dir })).rejects.toThrow("expected at least the 2 steps")
})

test("threads, rows decoded at once and recomputed activations leave the run to the bit", async () => {
  const specs = (given: Record<string, unknown>) =>
    tiny({ warm_start: null, prompts_per_step: 4, max_steps: 3, ...given })
  const one = await run(specs({ gradient_checkpointing: false }), { open: openModel })
  const two = await run(specs({ gradient_checkpointing: true, threads: 2, max_decode_rows: 3 }), {
    open: openModel,
  })
  expect(await metricsOf(two.dir)).toEqual(await metricsOf(one.dir))
  expect(await weightsOf(join(two.dir, "checkpoint-3"))).toEqual(
    await weightsOf(join(one.dir, "checkpoint-3")),
  )
})

test("in bfloat16 too, stopped and resumed is the same run", async () => {
  const specs = tiny({ dtype: "bfloat16" })
  const whole = await run(specs, { open: openModel })
  const first = await run(specs, { open: openModel, ...stopAfter(2) })
  await run(await recipeOfRun(first.dir), { open: openModel, resume: first.dir })
  for (const metrics of await metricsOf(whole.dir))
    expect(metrics["sampling/sampling_logp_difference/max"]).toBe(0)
  expect(await metricsOf(first.dir)).toEqual(await metricsOf(whole.dir))
  expect(await weightsOf(join(first.dir, "checkpoint-4"))).toEqual(
    await weightsOf(join(whole.dir, "checkpoint-4")),
  )
})
