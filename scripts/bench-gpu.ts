#!/usr/bin/env bun
// The GPU's figures: kernels (native/bench/gpu.cpp), training, decoding and RePro's scoring at the Qwen2.5 shapes with random weights;
// beside PyTorch in the same run where a Python with torch and CUDA is found (RECTIFY_PEER_PYTHON, or python3), and beside what others
// have published. A case that fails is told and the rest goes on; a table at the end. Without a device it says so.
//   bun run bench:gpu [--device cuda:1] [--quick] [--json] [--only TEXT] [--markdown FILE]
import { existsSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { deviceReport, type Engine } from "@rectify/engine"
import { decoding, reproScoring, type Setting, training } from "../bench/gpu/cases.ts"
import { peakTflops } from "../bench/gpu/peaks.ts"
import { flopsFormula, type Shape } from "../bench/gpu/shapes.ts"
import { compare, figure, isFailed, type Result, table } from "../bench/gpu/table.ts"

const groups = ["kernels", "train", "decode", "torch"]
const root = join(import.meta.dir, "..")
const { values } = parseArgs({
  options: {
    device: { type: "string", default: "cuda" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    markdown: { type: "string" },
  },
})
const emulated = values.device === "cuda:emulated"
// Emulated tensor cores would take hours.
const quick = values.quick || emulated
if (values.only && !groups.some((group) => group.startsWith(values.only))) {
  console.error(
    `--only: expected the beginning of a group, got "${values.only}"; known: ${groups.join(", ")}`,
  )
  process.exit(2)
}

if (values.markdown && !existsSync(dirname(values.markdown))) {
  console.error(`--markdown: expected a file in a folder that exists, got "${values.markdown}"`)
  process.exit(2)
}

const report = deviceReport()
const gpu = report.gpus[Number(values.device.split(":")[1] ?? 0)]
if (!gpu && !emulated) {
  const found = report.gpus.length > 0 ? `no ${values.device}` : report.error || "none found"
  console.log(`skipped: no device (${found}); \`bun run doctor\` says what is missing`)
  process.exit(0)
}
const device = gpu?.name ?? "cuda:emulated, which shows that it runs, not how fast"
const started = performance.now()
/** What goes on, and when it began. */
const progress = (text: string) =>
  console.error(`[${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s] ${text}`)

const results: Result[] = []
function take(result: Result): void {
  results.push(result)
  const by = result.by ? ` (${result.by})` : ""
  const what = isFailed(result) ? `failed: ${result.failed}` : `${figure(result.value)} ${result.unit}`
  console.log(values.json ? JSON.stringify(result) : `${result.case}${by}: ${what}`)
}

async function attempt(group: string, name: string, work: () => Promise<void>): Promise<void> {
  if (!group.startsWith(values.only)) return
  progress(name)
  try {
    await work()
  } catch (error) {
    take({ case: name, failed: (error as Error).message.split("\n")[0]! })
  }
}

/** Takes the results that a program prints as it prints them; its own words go on to stderr. */
async function follow(command: string[]): Promise<void> {
  const run = Bun.spawn(command, { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "inherit" })
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of run.stdout) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n")
    text = lines.pop()!
    for (const line of lines) if (line.startsWith('{"case"')) take(JSON.parse(line) as Result)
  }
  const code = await run.exited
  if (code !== 0) throw new Error(`${command.slice(0, 2).join(" ")}: exit ${code}, its last words are above`)
}

const setting: Setting = {
  device: values.device,
  quick,
  emit: (name, value, unit) => take({ case: name, value, unit }),
  note: progress,
}
const options = ["--device", values.device, ...(quick ? ["--quick"] : [])]

if (!values.json) console.log(device)
await attempt("kernels", "kernels", async () => {
  const build = Bun.spawnSync(["cmake", "--build", "build", "--target", "bench_gpu"], { cwd: root })
  if (build.exitCode !== 0) throw new Error(`native/bench/gpu.cpp: did not build: ${build.stderr}`)
  await follow([join(root, "build/native_bench/gpu"), ...options])
})

const matmul = results.find((result) => result.case === "matmul 8192x8192x8192")
const rates = {
  "the data sheet's peak": gpu && peakTflops(gpu.name),
  "matmul 8192x8192x8192": matmul && !isFailed(matmul) ? matmul.value : undefined,
}
const plan: [Shape, rows: number, length: number][] = quick
  ? [["tiny", 2, 32]]
  : [
      ["0.5B", 16, 1024],
      ["1.5B", 16, 1024],
      ["7B", 16, 1024],
    ]
for (const [shape, rows, length] of plan)
  await attempt("train", `train step ${shape}`, () => training(shape, rows, length, rates, setting))
const [batches, tokens, thought] = quick ? [[2], 3, 128] : [[1, 64, 256], 128, 4096]
for (const [shape] of plan)
  await attempt("decode", `decode ${shape}`, () => {
    const scored = shape === "tiny" || shape === "1.5B"
    const repro = (engine: Engine) => reproScoring(engine, shape, thought, setting)
    return decoding(shape, batches, tokens, setting, scored ? repro : undefined)
  })

const python = Bun.which(process.env.RECTIFY_PEER_PYTHON ?? "python3")
const asks = emulated ? "import torch" : "import torch; assert torch.cuda.is_available()"
const has = python && Bun.spawnSync([python, "-c", asks], { stderr: "ignore" }).exitCode === 0
if (!has) progress("no Python with torch and CUDA: our figures stand alone (set RECTIFY_PEER_PYTHON)")
else
  await attempt("torch", "torch", () =>
    follow([python, "bench/peers/gpu.py", ...(emulated ? ["--device", "cpu", "--quick"] : options)]),
  )

const rows = compare(results)
const failures = results.filter(isFailed)
if (values.json) console.log(JSON.stringify({ device, rows, failures }))
else console.log(`\n${table(rows)}`)
if (values.markdown) {
  const told = failures.map(({ case: name, by, failed }) => `- ${name}${by ? ` (${by})` : ""}: ${failed}`)
  const date = new Date().toISOString().slice(0, 10)
  writeFileSync(
    values.markdown,
    [`${device}, ${date}; a ratio above 1: ours is better; ${flopsFormula}`, table(rows), ...told].join(
      "\n\n",
    ),
  )
}
progress(`${rows.length} rows, ${failures.length} failed`)
process.exit(failures.length > 0 ? 1 : 0)
