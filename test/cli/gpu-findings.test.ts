// What doctor makes of machines that are not this one: made-up reports of GPUs, drivers and libraries, each with the one cure that helps.
import { expect, test } from "bun:test"
import { type Around, type GpuReport, gpuFindings } from "../../packages/cli/src/gpu-findings.ts"

const h200 = {
  name: "NVIDIA H200",
  major: 9,
  minor: 0,
  multiprocessors: 132,
  memory: 140 * 2 ** 30,
  free: 139.5 * 2 ** 30,
  error: "",
}
const well: GpuReport = {
  built: true,
  driver: 13000,
  runtime: 13000,
  error: "",
  cublasLt: "/usr/local/cuda/lib64/libcublasLt.so.13",
  cublasLtVersion: 130102,
  gpus: [h200],
}
const none: Around = { nvcc: null, listed: [] }
const usual: Around = { nvcc: "13.0", listed: [{ name: "NVIDIA H200", driver: "580.159.04" }] }

function told(report: Partial<GpuReport>, around: Partial<Around> = {}) {
  const findings = gpuFindings({ ...well, ...report }, { ...usual, ...around })
  const by = (what: string) => findings.find((finding) => finding.what === what)
  return { by, cures: findings.flatMap(({ what, cure }) => (cure === null ? [] : [`${what}: ${cure}`])) }
}

test("all is there: what it is, and nothing to cure", () => {
  const { by, cures } = told({})
  expect(cures).toEqual([])
  expect(by("nvcc")!.found).toBe("13.0")
  expect(by("engine")!.found).toBe("built with CUDA 13.0")
  expect(by("NVIDIA driver")!.found).toBe("580.159.04, for CUDA 13.0")
  expect(by("cuda:0")!.found).toBe(
    "NVIDIA H200, compute capability 9.0, 132 multiprocessors, 140.0 GiB, 139.5 GiB free",
  )
  expect(by("cuBLASLt")!.found).toBe("13.1.2, /usr/local/cuda/lib64/libcublasLt.so.13")
})

test("two GPUs: each with its name, and what is wrong with one is told of that one", () => {
  const turing = { ...h200, name: "Tesla T4", major: 7, minor: 5 }
  const { by, cures } = told({ gpus: [h200, turing] })
  expect(by("cuda:0")!.cure).toBeNull()
  expect(by("cuda:1")!.found).toContain("Tesla T4, compute capability 7.5")
  expect(cures).toEqual(["cuda:1: needs compute capability 8.0 (Ampere) or newer: use device: cpu"])
})

test("no GPU, no driver, no nvcc: three cures, none of them needed to run", () => {
  const bare = { built: false, driver: 0, runtime: 0, gpus: [], cublasLt: "", cublasLtVersion: 0 }
  const findings = gpuFindings({ ...bare, error: "the engine was built without nvcc" }, none)
  expect(findings.some(({ needed }) => needed)).toBe(false)
  expect(findings.map(({ what, found }) => `${what}: ${found}`)).toEqual([
    "nvcc: none",
    "engine: built for the CPU alone",
    "NVIDIA driver: none",
    "GPU: none (the engine was built without nvcc)",
    "cuBLASLt: none; not needed without a GPU",
  ])
  expect(findings.at(-2)!.cure).toBe("use device: cpu")
})

test("a GPU and an engine without CUDA: the build is what is wrong", () => {
  const without = {
    built: false,
    driver: 0,
    runtime: 0,
    gpus: [],
    error: "the engine was built without nvcc",
  }
  const away = told(without, { nvcc: null })
  expect(away.by("engine")).toMatchObject({
    found: "built for the CPU alone; NVIDIA H200 cannot be used so",
    cure: "for a GPU: put nvcc on the PATH, then bun run build",
  })
  expect(away.by("NVIDIA driver")).toMatchObject({ found: "580.159.04", cure: null })
  expect(told(without).by("engine")!.cure).toContain("CMakeError.log")
})

test("a driver older than the CUDA of the build", () => {
  const { by } = told(
    { driver: 12040, gpus: [], error: "CUDA driver version is insufficient for CUDA runtime version" },
    { listed: [{ name: "NVIDIA A100", driver: "550.54" }] },
  )
  expect(by("NVIDIA driver")).toMatchObject({ found: "550.54, for CUDA 12.4" })
  expect(by("NVIDIA driver")!.cure).toMatch(/update it to 580 or newer, or build with the toolkit of CUDA 12/)
  expect(by("GPU")!.found).toContain("insufficient")
  // Of the same major version a driver serves, whatever the minor.
  expect(told({ driver: 13000, runtime: 13020 }).cures).toEqual([])
})

test("cuBLASLt: none, or one that this driver cannot serve", () => {
  expect(told({ cublasLt: "" }).cures).toEqual([expect.stringContaining("pip install nvidia-cublas")])
  const { cures } = told({ driver: 12080, runtime: 12080 })
  expect(cures).toEqual([expect.stringContaining("cuBLASLt: needs a newer driver (for CUDA 13)")])
})

test("a GPU that another program holds, wholly or mostly; one that is hidden", () => {
  expect(
    told({ gpus: [{ ...h200, error: "all CUDA-capable devices are busy or unavailable" }] }).cures,
  ).toEqual([expect.stringContaining("busy or unavailable")])
  expect(told({ gpus: [{ ...h200, free: 2 ** 30 }] }).cures).toEqual([
    expect.stringContaining("more than half"),
  ])
  const hidden = told({ gpus: [], error: "no CUDA-capable device is detected" }, { visible: "" })
  expect(hidden.by("GPU")).toMatchObject({
    found: "none (no CUDA-capable device is detected; nvidia-smi lists NVIDIA H200)",
    cure: expect.stringContaining('CUDA_VISIBLE_DEVICES="" hides'),
  })
})

test("a GPU newer than our machine code needs a driver that translates what nvcc wrote", () => {
  const blackwell = { ...h200, name: "NVIDIA B200", major: 10 }
  expect(told({ gpus: [blackwell], driver: 13010, runtime: 13000 }).cures).toEqual([])
  expect(told({ gpus: [blackwell], driver: 13000, runtime: 13010 }).cures).toEqual([
    expect.stringContaining("update the driver to one for CUDA 13.1"),
  ])
})

test("an nvcc that is too old", () => {
  expect(told({}, { nvcc: "11.2" }).cures).toEqual([expect.stringContaining("12 or newer")])
})
