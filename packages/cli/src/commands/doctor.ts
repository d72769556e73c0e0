// `doctor`: what this machine has for the engine, what is missing, and the command that cures it.
import { existsSync, readFileSync } from "node:fs"
import { arch, availableParallelism, freemem, platform, totalmem } from "node:os"
import { join } from "node:path"
import { deviceReport } from "@rectify/engine"
import { type Args, type Command, EXIT } from "../command.ts"
import { type Finding, finding, type GpuReport, gib, gpuFindings } from "../gpu-findings.ts"
import type { Io } from "../io.ts"

const command: Command = {
  summary: "tell what this machine has for the engine: processor, GPU, driver, libraries, tools",
  usage: "",
  about: `Looks at what the engine can use here, and says what is missing and how to get it. A GPU, nvcc and cuBLASLt are
optional: without them the engine runs on the CPU. Exits 1 only when something is missing that everything needs.`,
  positionals: [],
  flags: {},
  examples: [
    ["doctor", "a line per finding"],
    ["doctor --json", "one JSON object per finding"],
  ],
  run,
}
export default command

async function run(_: Args, io: Io): Promise<number> {
  const findings = [...machine(), ...tools(), ...engine()]
  const width = Math.max(...findings.map(({ what }) => what.length))
  for (const finding of findings) {
    await io.emit(finding)
    if (io.json) continue
    const mark = finding.cure === null ? io.colors.green("ok") : finding.needed ? io.colors.red("no") : "--"
    io.say(`${mark} ${finding.what.padEnd(width)}  ${finding.found}`)
    if (finding.cure !== null) io.say(`   ${" ".repeat(width)}  ${finding.cure}`)
  }
  return findings.some(({ cure, needed }) => needed && cure !== null) ? EXIT.failed : EXIT.ok
}

function machine(): Finding[] {
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : ""
  const name = info.match(/^model name\s*:\s*(.*)$/m)?.[1] ?? arch()
  const flags = new Set(info.match(/^flags\s*:\s*(.*)$/m)?.[1]?.split(" ") ?? [])
  const isa = ["avx2", "fma", "avx512f", "avx512_bf16"].filter((flag) => flags.has(flag))
  return [
    finding("system", `${platform()} ${arch()}`),
    finding("processor", `${name}, ${availableParallelism()} threads, ${isa.join(" ") || "no AVX2"}`),
    finding("memory", `${gib(totalmem())}, ${gib(freemem())} free`),
  ]
}

/** What a tool says of itself; null where there is none. */
function say(tool: string, ...args: string[]): string | null {
  const path = Bun.which(tool)
  return path && Bun.spawnSync([path, ...args], { stdin: "ignore", stderr: "ignore" }).stdout.toString()
}
const version = (text: string | null) => text && (text.match(/\d+\.\d+(\.\d+)?/)?.[0] ?? "found")

function tools(): Finding[] {
  const cxx = process.env.CXX?.split(" ")[0] ?? ["c++", "g++", "clang++"].find((name) => Bun.which(name))
  const compiler = cxx ? version(say(cxx, "--version")) : null
  const cmake = version(say("cmake", "--version"))
  return [
    finding("bun", Bun.version),
    finding("node", version(say("node", "--version")) ?? "none; Bun takes its place"),
    finding(
      "C++ compiler",
      compiler ? `${cxx} ${compiler}` : "none",
      compiler ? null : "apt install g++",
      true,
    ),
    finding("cmake", cmake ?? "none", cmake ? null : "apt install cmake", true),
  ]
}

function engine(): Finding[] {
  let report: GpuReport
  try {
    report = deviceReport()
  } catch (error) {
    return [finding("engine", (error as Error).message, "bun run build", true)]
  }
  const home = process.env.CUDA_HOME ?? process.env.CUDA_PATH ?? "/usr/local/cuda"
  const nvcc = say("nvcc", "--version") ?? say(join(home, "bin/nvcc"), "--version")
  const smi = say("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
  return gpuFindings(report, {
    nvcc: version(nvcc?.match(/release .*/)?.[0] ?? nvcc),
    listed: [...(smi ?? "").matchAll(/^(.+), (\d[\d.]*)$/gm)].map(([, name, driver]) => ({
      name: name!,
      driver: driver!,
    })),
    visible: process.env.CUDA_VISIBLE_DEVICES,
  })
}
