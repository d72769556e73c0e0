// What `doctor` makes of a GPU: of the engine's own report and of what nvidia-smi and nvcc say, what is here, what is missing, how to get it.
import type { deviceReport } from "@rectify/engine"

export interface Finding {
  what: string
  found: string
  /** what is missing and how to get it; null when nothing is */
  cure: string | null
  /** nothing runs without it */
  needed: boolean
}

export const finding = (
  what: string,
  found: string,
  cure: string | null = null,
  needed = false,
): Finding => ({
  what,
  found,
  cure,
  needed,
})

export type GpuReport = ReturnType<typeof deviceReport>

/** What else the machine tells. */
export interface Around {
  /** nvcc's version */
  nvcc: string | null
  /** of each GPU that nvidia-smi lists, its name and its driver's version */
  listed: { name: string; driver: string }[]
  /** CUDA_VISIBLE_DEVICES */
  visible?: string
}

export const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
const cuda = (version: number) => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
const major = (version: number) => Math.floor(version / 1000)
const getToolkit = "install the CUDA toolkit 12 or newer (developer.nvidia.com/cuda-downloads)"
/** The oldest driver of each CUDA, from NVIDIA's release notes. */
const oldestDriver: Record<number, number> = { 11: 450, 12: 525, 13: 580 }

export const gpuFindings = (report: GpuReport, around: Around): Finding[] => [
  nvccFinding(around),
  engineFinding(report, around),
  driverFinding(report, around),
  ...devices(report, around),
  cublasFinding(report),
]

function nvccFinding({ nvcc }: Around): Finding {
  if (nvcc === null) return finding("nvcc", "none", `for a GPU: ${getToolkit}, then bun run build`)
  const old = Number.parseFloat(nvcc) < 12
  return finding("nvcc", nvcc, old ? `sm_90 and C++17 need 12 or newer: ${getToolkit}` : null)
}

function engineFinding({ built, runtime }: GpuReport, { nvcc, listed }: Around): Finding {
  if (built) return finding("engine", `built with CUDA ${cuda(runtime)}`)
  const idle = listed.length > 0 ? `; ${listed[0]!.name} cannot be used so` : ""
  return finding(
    "engine",
    `built for the CPU alone${idle}`,
    nvcc === null
      ? "for a GPU: put nvcc on the PATH, then bun run build"
      : "nvcc could not be used: build/CMakeFiles/CMakeError.log says why (a g++ too new for it: name an older one in CUDAHOSTCXX); then rm -rf build && bun run build",
  )
}

function driverFinding({ built, driver, runtime }: GpuReport, { listed }: Around): Finding {
  const release = listed[0]?.driver
  if (driver === 0 && !release)
    return finding(
      "NVIDIA driver",
      "none",
      "for a GPU: install NVIDIA's driver (apt install nvidia-driver); nvidia-smi must list the GPU",
    )
  const serves = driver > 0 ? `for CUDA ${cuda(driver)}` : ""
  const old = built && driver > 0 && major(driver) < major(runtime)
  const least = oldestDriver[major(runtime)]
  return finding(
    "NVIDIA driver",
    [release, serves].filter(Boolean).join(", "),
    old
      ? `older than the CUDA ${cuda(runtime)} that the engine was built with: update it${least ? ` to ${least} or newer` : ""}, or build with the toolkit of CUDA ${major(driver)}`
      : null,
  )
}

function devices({ built, driver, runtime, gpus, error }: GpuReport, { listed, visible }: Around): Finding[] {
  if (gpus.length === 0) {
    const hidden = built && listed.length > 0 && visible !== undefined
    const seen = listed.length > 0 ? `; nvidia-smi lists ${listed.map(({ name }) => name).join(", ")}` : ""
    return [
      finding(
        "GPU",
        `none (${error || "no device"}${seen})`,
        hidden
          ? `CUDA_VISIBLE_DEVICES="${visible}" hides what is there: unset it, or use device: cpu`
          : "use device: cpu",
      ),
    ]
  }
  return gpus.map((gpu, i) => {
    const [capability, free] = [gpu.major + gpu.minor / 10, gpu.free]
    const text = `${gpu.name}, compute capability ${gpu.major}.${gpu.minor}, ${gpu.multiprocessors} multiprocessors, ${gib(gpu.memory)}, ${gib(free)} free`
    const cure =
      capability < 8
        ? "needs compute capability 8.0 (Ampere) or newer: use device: cpu"
        : gpu.error
          ? `cannot be used (${gpu.error}): another program may hold it alone; nvidia-smi lists who`
          : free < gpu.memory / 2
            ? "more than half is held by other programs: nvidia-smi lists them; a run plans with what is free"
            : capability >= 10 && driver < runtime
              ? `newer than our machine code, and the driver is too old to translate it: update the driver to one for CUDA ${cuda(runtime)}`
              : null
    return finding(`cuda:${i}`, text, cure)
  })
}

function cublasFinding({ cublasLt, cublasLtVersion: version, gpus, driver }: GpuReport): Finding {
  const ours = "the engine's own tensor-core matmul is used"
  if (!cublasLt)
    return finding(
      "cuBLASLt",
      gpus.length === 0 ? "none; not needed without a GPU" : "none",
      gpus.length === 0
        ? null
        : `${ours}; faster: install cuBLAS (pip install nvidia-cublas), or name the library in RECTIFY_CUBLASLT`,
    )
  const release = Math.floor(version / 10000)
  const text = `${release}.${Math.floor((version % 10000) / 100)}.${version % 100}, ${cublasLt}`
  return finding(
    "cuBLASLt",
    text,
    gpus.length > 0 && release > major(driver)
      ? `needs a newer driver (for CUDA ${release}), so ${ours}; a library of CUDA ${major(driver)} can be named in RECTIFY_CUBLASLT`
      : null,
  )
}
