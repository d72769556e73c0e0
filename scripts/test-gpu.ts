#!/usr/bin/env bun
// Everything that wants a GPU: every kernel's cases on CPU and CUDA, the model, 20 steps of the quickstart on both with close curves,
// resuming, memory errors. A table, then "N passed, N failed, N skipped"; without a device all is skipped.
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
    steps: { type: "string", default: "20" },
    case: { type: "string", default: "" },
  },
})
const steps = Number(values.steps)

type Outcome = { state: "passed" | "failed" | "skipped"; note: string }
interface Case {
  name: string
  run(): Outcome
}

const passed = (note: string): Outcome => ({ state: "passed", note })
const failed = (note: string): Outcome => ({ state: "failed", note })

function command(args: string[], env: Record<string, string> = {}): { code: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(args, {
    cwd: root,
    stdin: "ignore",
    env: { ...process.env, DATABASE_URL: undefined, ...env },
    timeout: 240_000,
  })
  return { code: exitCode ?? 1, output: `${stdout}${stderr}` }
}

const last = (output: string) => output.trim().split("\n").at(-1) ?? ""

/** Programs whose cases run on every device: the same cases, the same tolerances. */
const native = readdirSync(join(root, "native/test"))
  .filter(
    (file) =>
      file.endsWith(".cpp") &&
      /(all_devices|gpu_device|gpu_name)\(/.test(readFileSync(join(root, "native/test", file), "utf8")),
  )
  .map((file) => file.replace(/\.cpp$/, ""))

const program = (name: string) => join(root, "build/native_tests", name)

function nativeCase(name: string, where: "cpu" | "cuda"): Case {
  return {
    name: `${name} on ${where}`,
    run() {
      const { code, output } = command([program(name)], where === "cuda" ? { RECTIFY_TEST_CUDA: "1" } : {})
      return code === 0 ? passed(last(output)) : failed(output.trim().split("\n").slice(-4).join(" | "))
    },
  }
}

function sanitizerCase(name: string): Case {
  return {
    name: `${name} under compute-sanitizer`,
    run() {
      const tool = Bun.which("compute-sanitizer") ?? "/usr/local/cuda/bin/compute-sanitizer"
      if (!existsSync(tool)) return { state: "skipped", note: "no compute-sanitizer" }
      const { code, output } = command([tool, "--error-exitcode", "9", program(name)], {
        RECTIFY_TEST_CUDA: "1",
      })
      return code === 0 ? passed(last(output)) : failed(output.trim().split("\n").slice(-4).join(" | "))
    },
  }
}

const scratch = mkdtempSync(join(tmpdir(), "rectify-gpu-"))
const main = join(root, "packages/cli/src/main.ts")

/** The metrics of each step of a run of the quickstart with a short warm start. */
function train(device: string, dir: string, ...more: string[]): Record<string, number>[] {
  const args = [
    "train",
    ...(more.includes("--resume")
      ? []
      : [
          join(root, "recipes/quickstart.yaml"),
          "--warm_start.stages=[{name: short, steps: 40}]",
          "--evaluation.size=16",
          "--max_completion_length=96",
          "--lr_scheduler_type=constant",
          `--output_dir=${dir}`,
        ]),
    "--no-api",
    "--json",
    `--device=${device}`,
    ...more,
  ]
  const { code, output } = command([process.execPath, main, ...args], {
    RECTIFY_DB: join(scratch, "store.db"),
  })
  if (code !== 0) throw new Error(`train on ${device}: exit ${code}: ${last(output)}`)
  return output
    .split("\n")
    .filter((line) => line.startsWith('{"event":"step"'))
    .map((line) => JSON.parse(line).metrics as Record<string, number>)
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)

const curves: Case = {
  name: `quickstart, ${steps} steps on cpu and ${values.device}`,
  run() {
    const cpu = train("cpu", join(scratch, "cpu"), `--steps=${steps}`)
    const gpu = train(values.device, join(scratch, "gpu"), `--steps=${steps}`)
    const gap = (key: string) =>
      Math.abs(mean(cpu.map((m) => m[key] ?? 0)) - mean(gpu.map((m) => m[key] ?? 0)))
    // Until the first token that falls otherwise both draw the same words; from then on the curves are near, not equal.
    const first = Math.abs((cpu[0]?.entropy ?? 0) - (gpu[0]?.entropy ?? 1))
    const reward = gap("reward")
    const entropy = gap("entropy")
    const drift = Math.max(...gpu.map((m) => m["sampling/sampling_logp_difference/max"] ?? 1))
    const note = `steps ${gpu.length}, first entropy apart ${first.toExponential(1)}, mean reward ${reward.toFixed(3)}, mean entropy ${entropy.toFixed(3)}, sampling difference ${drift.toExponential(1)}`
    const good = gpu.length === steps && first < 0.02 && reward < 0.1 && entropy < 0.1 && drift < 1e-3
    return good ? passed(note) : failed(note)
  },
}

const resume: Case = {
  name: `resume on ${values.device}`,
  run() {
    const half = Math.max(1, Math.floor(steps / 4))
    const dir = join(scratch, "parts")
    const whole = train(values.device, join(scratch, "whole"), `--steps=${2 * half}`)
    train(values.device, dir, `--steps=${half}`)
    const parts = train(values.device, dir, "--resume", dir, `--steps=${2 * half}`)
    const [a, b] = [whole.at(-1), parts.at(-1)]
    const same = ["loss", "entropy", "grad_norm"].every(
      (key) => a?.[key] !== undefined && a[key] === b?.[key],
    )
    const note = `loss ${a?.loss} and ${b?.loss}, grad_norm ${a?.grad_norm} and ${b?.grad_norm}`
    return same ? passed(note) : failed(note)
  },
}

/** Only to see that this script works. */
const emulated = values.device === "cuda:emulated" || values.device.startsWith("cpu")
const cases: Case[] = [
  ...native.map((name) => nativeCase(name, "cpu")),
  ...(emulated ? [] : native.map((name) => nativeCase(name, "cuda"))),
  curves,
  resume,
  ...(emulated ? [] : ["rows", "rmsnorm", "sample_token", "gpu_model"].map(sanitizerCase)),
].filter(({ name }) => name.includes(values.case))

const report = deviceReport()
const reason = emulated || report.gpus.length > 0 ? null : report.error || "no device"
const counts = { passed: 0, failed: 0, skipped: 0 }
const wantsNative = cases.some(({ name }) => native.some((program) => name.startsWith(program)))
if (reason === null) {
  console.log(emulated ? values.device : report.gpus.map((gpu, i) => `cuda:${i} ${gpu.name}`).join(", "))
  const build = wantsNative
    ? command([
        "cmake",
        "--build",
        "build",
        "--target",
        "native_tests",
        "--parallel",
        String(availableParallelism()),
      ])
    : null
  if (build !== null && build.code !== 0) {
    console.log(build.output)
    console.log("0 passed, 1 failed, 0 skipped: the native tests did not build")
    process.exit(1)
  }
} else {
  console.log(`skipped: no device (${reason}); \`bun run doctor\` says what is missing`)
}
const width = Math.max(...cases.map(({ name }) => name.length))
for (const { name, run } of cases) {
  const started = performance.now()
  let outcome: Outcome = { state: "skipped", note: "no device" }
  if (reason === null)
    try {
      outcome = run()
    } catch (error) {
      outcome = failed((error as Error).message)
    }
  counts[outcome.state]++
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${outcome.state.padEnd(7)} ${name.padEnd(width)} ${seconds.padStart(6)} s  ${outcome.note}`)
}
rmSync(scratch, { recursive: true, force: true })
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exit(counts.failed > 0 ? 1 : 0)
