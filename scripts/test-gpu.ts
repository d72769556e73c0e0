#!/usr/bin/env bun
// Everything that wants a GPU: every kernel's cases on CPU and CUDA, the model in f32 and bf16, the engine through the addon, 20 steps of
// the quickstart on both with close curves, resuming, memory errors and races. A table, then "N passed, N failed, N skipped"; within five
// minutes; without a device all is skipped. On cuda:emulated a short selection, which shows that this script works.
//   bun run test:gpu [--device cuda:1] [--steps N] [--case TEXT]
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { deviceReport } from "@rectify/engine"

const root = join(import.meta.dir, "..")
const { values } = parseArgs({
  options: {
    device: { type: "string", default: "cuda" },
    steps: { type: "string" },
    case: { type: "string", default: "" },
  },
})
const { device } = values
const emulated = device === "cuda:emulated"
const steps = Number(values.steps ?? (emulated ? 2 : 20))
const started = performance.now()
const elapsed = () => (performance.now() - started) / 1000
/** Seconds after which no sanitizer is begun, and how long one may take. */
const enough = 270
const patience = 60

type Outcome = { state: "passed" | "failed" | "skipped"; note: string }
interface Case {
  name: string
  /** what it keeps busy: the GPU's cases take turns, apart from those on the processor */
  on: "cpu" | "gpu" | "sanitizer"
  run(): Promise<Outcome>
}

const passed = (note: string): Outcome => ({ state: "passed", note })
const failed = (note: string): Outcome => ({ state: "failed", note })
const skipped = (note: string): Outcome => ({ state: "skipped", note })

const groups = new Set<number>()
function end(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {} // it is over
}
const scratch = mkdtempSync(join(tmpdir(), "rectify-gpu-"))
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    for (const pid of groups) end(pid)
    rmSync(scratch, { recursive: true, force: true })
    process.exit(130)
  })

/** Exit code null: it was ended after `seconds`. */
async function command(
  args: string[],
  env: Record<string, string> = {},
  seconds = 240,
): Promise<{ code: number | null; output: string }> {
  const run = Bun.spawn(args, {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, DATABASE_URL: undefined, ...env },
    detached: true, // a group of its own: a sanitizer ends with the program that it watches
  })
  groups.add(run.pid)
  let ended = false
  const timer = setTimeout(() => {
    ended = true
    end(run.pid)
  }, seconds * 1000)
  const texts = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()])
  const code = await run.exited
  clearTimeout(timer)
  groups.delete(run.pid)
  return { code: ended ? null : code, output: texts.join("") }
}

const last = (output: string) => output.trim().split("\n").at(-1) ?? ""
const why = ({ code, output }: { code: number | null; output: string }) =>
  failed(
    `${code === null ? "no end in time" : `exit ${code}`}: ${output.trim().split("\n").slice(-4).join(" | ")}`,
  )

/** Programs whose cases run on any device: the same cases, the same tolerances; what came nearest to one is told. */
const programs = readdirSync(join(root, "native/test"))
  .filter((file) => file.endsWith(".cpp"))
  .map((file) => ({ name: file.slice(0, -4), text: readFileSync(join(root, "native/test", file), "utf8") }))
const everywhere = programs.filter(({ text }) => text.includes("all_devices(")).map(({ name }) => name)
const onGpu = programs
  .filter(({ text }) => /(all_devices|gpu_device|gpu_name)\(/.test(text))
  .map(({ name }) => name)
const meaning: Record<string, string> = {
  gpu_model: " (parity in f32 and bf16, forest against paths alone, decoding against forward)",
  step_graphs: " (recorded steps of decoding against plain ones)",
}

const program = (name: string) => join(root, "build/native_tests", name)
/** The GPU alone, the one that was asked for; or of the processor all but the emulation. */
const index = Number(device.split(":")[1] ?? 0)
const theGpu: Record<string, string> = {
  RECTIFY_TEST_CUDA: "1",
  ...(index > 0 && {
    CUDA_VISIBLE_DEVICES: process.env.CUDA_VISIBLE_DEVICES?.split(",")[index] ?? String(index),
  }),
}
const settings = {
  cpu: { RECTIFY_TEST_EMULATED: "0" },
  cuda: theGpu,
  "cuda without cuBLASLt": { ...theGpu, RECTIFY_CUBLASLT: "off" }, // else our own tiles see odd shapes only
  emulated: {},
}

function nativeCase(name: string, where: keyof typeof settings): Case {
  return {
    name: `${name} on ${where}${meaning[name] ?? ""}`,
    on: where.startsWith("cuda") ? "gpu" : "cpu",
    async run() {
      const done = await command([program(name)], settings[where])
      return done.code === 0 ? passed(last(done.output)) : why(done)
    },
  }
}

function sanitizerCase(tool: string, name: string): Case {
  return {
    name: `${name} under ${tool}`,
    on: "sanitizer",
    async run() {
      const sanitizer = [Bun.which("compute-sanitizer"), "/usr/local/cuda/bin/compute-sanitizer"].find(
        (file) => file && existsSync(file),
      )
      if (!sanitizer) return skipped("no compute-sanitizer")
      if (elapsed() > enough) return skipped("no time left")
      // What a call of CUDA's answers is the program's to judge.
      const quiet = tool === "memcheck" ? ["--report-api-errors", "no"] : []
      const args = [
        sanitizer,
        ...["--tool", tool, ...quiet, "--error-exitcode", "9", "--print-limit", "3"],
        program(name),
      ]
      const done = await command(args, theGpu, Math.min(patience, enough + 20 - elapsed()))
      const found = /^=+ (Invalid|Race|Error: |Potential|Uninitialized|Barrier|Divergent)/m.test(done.output)
      if (done.code === null && !found) return skipped(`nothing found in ${patience} s, and no end`)
      return done.code === 0 ? passed(last(done.output)) : why(done)
    },
  }
}

const engineCase: Case = {
  name: `engine on ${device}: steps and greedy words as on the CPU`,
  on: "gpu",
  async run() {
    const done = await command(
      [process.execPath, "test", "test/engine/gpu.test.ts", "--timeout", "60000"],
      emulated ? {} : theGpu,
    )
    const counts = done.output.match(/\d+ (pass|fail|skip)\b/g) ?? []
    return done.code === 0 ? passed(counts.join(", ")) : why(done)
  },
}

const main = join(root, "packages/cli/src/main.ts")
const short = emulated
  ? [
      "--warm_start.stages=[{name: short, steps: 2}]",
      "--evaluation.size=2",
      "--max_completion_length=24",
      "--prompts_per_step=2",
      "--num_generations=2",
    ]
  : ["--warm_start.stages=[{name: short, steps: 40}]", "--evaluation.size=16", "--max_completion_length=96"]

/** The metrics of each step of a run of the quickstart with a short warm start. */
async function train(on: string, dir: string, ...more: string[]): Promise<Record<string, number>[]> {
  const fresh = [
    join(root, "recipes/quickstart.yaml"),
    ...short,
    "--lr_scheduler_type=constant",
    `--output_dir=${dir}`,
  ]
  const args = [
    "train",
    ...(more.includes("--resume") ? [] : fresh),
    "--no-api",
    "--json",
    `--device=${on}`,
    `--runs_dir=${scratch}`,
    ...more,
  ]
  const { code, output } = await command([process.execPath, main, ...args])
  if (code !== 0) throw new Error(`train on ${on}: exit ${code}: ${last(output)}`)
  return output
    .split("\n")
    .filter((line) => line.startsWith('{"event":"step"'))
    .map((line) => JSON.parse(line).metrics as Record<string, number>)
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)

const curves: Case = {
  name: `quickstart, ${steps} steps on cpu and ${device}, one seed`,
  on: "gpu",
  async run() {
    const [cpu, gpu] = await Promise.all([
      train("cpu", join(scratch, "cpu"), `--steps=${steps}`),
      train(device, join(scratch, "gpu"), `--steps=${steps}`),
    ])
    const gap = (key: string) =>
      Math.abs(mean(cpu.map((m) => m[key] ?? 0)) - mean(gpu.map((m) => m[key] ?? 0)))
    // Until the first token that falls otherwise both draw the same words; from then on the curves are near, not equal.
    const first = Math.abs((cpu[0]?.entropy ?? 0) - (gpu[0]?.entropy ?? 1))
    const reward = gap("reward")
    const entropy = gap("entropy")
    const drift = Math.max(...gpu.map((m) => m["sampling/sampling_logp_difference/max"] ?? 1))
    const note = `${gpu.length} steps; apart: first entropy ${first.toExponential(1)} of 2e-2, mean reward ${reward.toFixed(3)} of 0.1, mean entropy ${entropy.toFixed(3)} of 0.1; sampling difference ${drift.toExponential(1)} of 1e-3`
    const good = gpu.length === steps && first < 0.02 && reward < 0.1 && entropy < 0.1 && drift < 1e-3
    return good ? passed(note) : failed(note)
  },
}

const resume: Case = {
  name: `resume on ${device}`,
  on: "gpu",
  async run() {
    const half = Math.max(1, Math.floor(steps / 4))
    const dir = join(scratch, "parts")
    const whole = await train(device, join(scratch, "whole"), `--steps=${2 * half}`)
    await train(device, dir, `--steps=${half}`)
    const parts = await train(device, dir, "--resume", dir, `--steps=${2 * half}`)
    const [a, b] = [whole.at(-1), parts.at(-1)]
    const same = ["loss", "entropy", "grad_norm"].every(
      (key) => a?.[key] !== undefined && a[key] === b?.[key],
    )
    const note = `to the bit: loss ${a?.loss} and ${b?.loss}, grad_norm ${a?.grad_norm} and ${b?.grad_norm}`
    return same ? passed(note) : failed(note)
  },
}

const sanitizers = [
  ...["rows", "rmsnorm", "sample_token", "gpu_model", "attention", "matmul", "token_logprob"].map((name) => [
    "memcheck",
    name,
  ]),
  ...["rmsnorm", "sample_token", "attention", "matmul"].map((name) => ["racecheck", name]),
  ...["rmsnorm", "attention"].map((name) => ["synccheck", name]),
  ["initcheck", "gpu_model"],
] as [tool: string, name: string][]

const cases: Case[] = (
  emulated
    ? [nativeCase("rmsnorm", "cpu"), nativeCase("rmsnorm", "emulated"), engineCase, curves, resume]
    : [
        ...everywhere.map((name) => nativeCase(name, "cpu")),
        ...onGpu.map((name) => nativeCase(name, "cuda")),
        ...["matmul", "token_logprob", "gpu_model"].map((name) => nativeCase(name, "cuda without cuBLASLt")),
        engineCase,
        curves,
        resume,
        ...sanitizers.map(([tool, name]) => sanitizerCase(tool, name)),
      ]
).filter(({ name }) => name.includes(values.case))

const report = deviceReport()
const reason = emulated || report.gpus[index] ? null : report.error || `no ${device}`
const needed = [
  ...new Set(
    cases.flatMap(({ name }) =>
      existsSync(join(root, `native/test/${name.split(" ")[0]}.cpp`)) ? [name.split(" ")[0]!] : [],
    ),
  ),
]
const outcomes = new Map<Case, { outcome: Outcome; seconds: number }>()
const width = Math.max(...cases.map(({ name }) => name.length))

async function conduct(one: Case): Promise<void> {
  const begun = performance.now()
  let outcome = skipped("no device")
  if (reason === null)
    try {
      outcome = await one.run()
    } catch (error) {
      outcome = failed((error as Error).message)
    }
  const seconds = (performance.now() - begun) / 1000
  outcomes.set(one, { outcome, seconds })
  console.log(
    `${outcome.state.padEnd(7)} ${one.name.padEnd(width)} ${seconds.toFixed(1).padStart(6)} s  ${outcome.note}`,
  )
}

/** At most `most` of these at once. */
async function lane(on: Case["on"], most: number): Promise<void> {
  const waiting = cases.filter((one) => one.on === on)
  const take = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) await conduct(one)
  }
  await Promise.all(Array.from({ length: most }, take))
}

if (reason === null) {
  console.log(emulated ? device : `${device} ${report.gpus[index]!.name}`)
  if (needed.length > 0) {
    const targets = needed.flatMap((name) => ["--target", `test_${name}`])
    const parallel = String(availableParallelism())
    const build = await command(["cmake", "--build", "build", ...targets, "--parallel", parallel], {}, 1200)
    console.log(`built ${needed.length} native tests in ${elapsed().toFixed(0)} s`)
    if (build.code !== 0) {
      console.log(build.output)
      console.log("0 passed, 1 failed, 0 skipped: the native tests did not build")
      process.exit(1)
    }
  }
} else {
  console.log(`skipped: no device (${reason}); \`bun run doctor\` says what is missing`)
}
// Sanitizers come last: they take what time is left.
await Promise.all([
  lane("cpu", Math.max(1, availableParallelism() - 2)),
  lane("gpu", reason === null && !emulated ? 2 : 1),
])
await lane("sanitizer", 3)
rmSync(scratch, { recursive: true, force: true })
const of = (state: Outcome["state"]) =>
  [...outcomes.values()].filter(({ outcome }) => outcome.state === state).length
console.log(`${elapsed().toFixed(0)} s`)
console.log(`${of("passed")} passed, ${of("failed")} failed, ${of("skipped")} skipped`)
process.exit(of("failed") > 0 ? 1 : 0)
