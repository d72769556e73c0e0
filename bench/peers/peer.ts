// Runs our benchmarks' peers: a Python that has torch, one pinned core, and the settings that make it fastest there.
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import type { BenchOptions, BenchResult } from "@rectify/cli"

const root = join(import.meta.dir, "../..")

export interface Measured {
  case: string
  value: number
  unit: BenchResult["unit"]
}

/** Every measurement runs on one core, the last: the first one serves interrupts. */
export function pinned(command: string[]): string[] {
  return Bun.which("taskset") ? ["taskset", "-c", String(availableParallelism() - 1), ...command] : command
}

/** The measurements among the lines that a command prints. */
export function measured(command: string[], env: Record<string, string> = {}): Measured[] {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd: root,
    env: { ...process.env, ...env },
    stdin: "ignore",
  })
  if (exitCode !== 0)
    throw new Error(`${command.join(" ")}: exited with ${exitCode}\n${stderr.toString().slice(-2000)}`)
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line.startsWith('{"case"'))
    .map((line) => JSON.parse(line) as Measured)
}

let python: { path: string; name: string } | null | undefined

/** RECTIFY_PEER_PYTHON, or python3 where it has torch. */
function findPython(): { path: string; name: string } | null {
  if (python !== undefined) return python
  const path = process.env.RECTIFY_PEER_PYTHON ?? Bun.which("python3")
  const version = path
    ? Bun.spawnSync([path, "-c", "import torch; print(torch.__version__)"], { stderr: "ignore" })
    : null
  python =
    path && version?.exitCode === 0 ? { path, name: version.stdout.toString().trim().split("+")[0]! } : null
  if (!python && process.env.RECTIFY_PEER_PYTHON)
    throw new Error(
      `RECTIFY_PEER_PYTHON: expected a Python that has torch, got ${process.env.RECTIFY_PEER_PYTHON}`,
    )
  return python
}

/** MKL takes its AVX2 kernels on AMD unless it is told that the processor is Intel's. */
function intelShim(): string | null {
  if (!existsSync("/proc/cpuinfo") || !readFileSync("/proc/cpuinfo", "utf8").includes("AuthenticAMD"))
    return null
  const dir = join(root, "build/peers")
  const library = join(dir, "libintelshim.so")
  if (!existsSync(library)) {
    mkdirSync(dir, { recursive: true })
    const source = "int mkl_serv_intel_cpu_true(void) { return 1; }"
    const cc = Bun.spawnSync(["cc", "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", library], {
      stdin: Buffer.from(source),
    })
    if (cc.exitCode !== 0) return null
  }
  return library
}

function tunedSettings(): Record<string, string> {
  const shim = intelShim()
  return {
    // glibc keeps what was freed: large tensors are not faulted in page by page again.
    MALLOC_MMAP_MAX_: "0",
    MALLOC_TRIM_THRESHOLD_: "100000000000",
    MALLOC_TOP_PAD_: "67108864",
    ...(shim ? { LD_PRELOAD: shim } : {}),
  }
}

/** What bench/peers/NAME.py measures, by case; nothing when no peer is installed. */
export function peer(
  name: string,
  options: BenchOptions,
  args: string[] = [],
): (result: Measured) => BenchResult {
  const found = findPython()
  const ours = ({ case: which, value, unit }: Measured): BenchResult => ({ case: which, ours: value, unit })
  if (!found) return ours
  // Memory is measured with the allocator as it comes, which keeps less.
  const settings: Record<string, string> = args.includes("--memory") ? {} : tunedSettings()
  const command = [
    found.path,
    join("bench/peers", `${name}.py`),
    ...(options.quick ? ["--quick"] : []),
    ...args,
  ]
  const theirs = measured(pinned(command), { OMP_NUM_THREADS: "1", ...settings })
  return (result) => {
    const match = theirs.find((other) => other.case === result.case)
    return match ? { ...ours(result), peer: `tuned torch ${found.name}`, theirs: match.value } : ours(result)
  }
}

/** What native/bench/NAME.cpp measures, built beside the addon on first use. */
export function native(name: string, options: BenchOptions, args: string[] = []): Measured[] {
  const build = Bun.spawnSync(["cmake", "--build", "build", "--target", `bench_${name}`], {
    cwd: root,
    stdin: "ignore",
  })
  if (build.exitCode !== 0)
    throw new Error(`native/bench/${name}.cpp: did not build\n${build.stdout}${build.stderr}`)
  const command = [join(root, "build/native_bench", name), ...(options.quick ? ["--quick"] : []), ...args]
  return measured(pinned(command))
}
