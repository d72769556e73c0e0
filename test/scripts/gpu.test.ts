// The two GPU scripts where no GPU is: their tables and figures against counts by hand, and both run on emulated devices, briefly.
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createEngine, parseConfig } from "@rectify/engine"
import { peakTflops } from "../../bench/gpu/peaks.ts"
import { published } from "../../bench/gpu/published.ts"
import { configOf, flopsPerToken, type Shape } from "../../bench/gpu/shapes.ts"
import { compare, figure, table } from "../../bench/gpu/table.ts"

const root = join(import.meta.dir, "../..")
function script(name: string, ...args: string[]) {
  const command = [process.execPath, join(root, "scripts", name), ...args]
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd: root,
    env: { ...process.env, RECTIFY_PEER_PYTHON: "/nowhere" },
  })
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() }
}

test("ours beside every peer, a ratio above 1 where ours is better, and what was published", () => {
  const name = "token_logprob forward+backward T=16384 d=4096 V=131072"
  const rows = compare([
    { case: "train step 0.5B 16x1024", value: 2000, unit: "tok/s" },
    { case: name, value: 50, unit: "ms" },
    { case: "token_logprob", failed: "out of memory", by: "naive" },
    { case: name, by: "chunked", value: 200, unit: "ms" },
    { case: name, by: "torch.compile", value: 25, unit: "ms" },
    { case: "train step 0.5B 16x1024", by: "transformers", value: 500, unit: "tok/s" },
    { case: "decode 7B batch 1", by: "transformers", value: 30, unit: "tok/s" },
  ])
  expect(rows.map(({ case: name, by, ratio }) => [name, by, ratio])).toEqual([
    ["train step 0.5B 16x1024", "transformers", 4],
    [name, "chunked", 4],
    [name, "torch.compile", 0.5],
    ["decode 7B batch 1", "transformers", null],
  ])
  expect(rows[0]!.published).toBe("149,000 LLM.Q, H100")
  const lines = table(rows).split("\n")
  expect(new Set(lines.map((line) => line.length)).size).toBe(1)
  expect(lines[1]).toMatch(/^\|(-+:?\|){7}$/)
  expect(lines[3]).toContain("103.7 Liger")
  expect(lines[4]).toMatch(/^\| +\| ms +\| +50 \| torch.compile +\| +25 \| 0.500x \| +\|$/)
  expect(lines[5]).toMatch(/^\| decode 7B batch 1 +\| tok\/s \| +\| transformers +\| +30 \| +\| +\|$/)
})

test("figures have four digits that count", () => {
  expect([123456, 0.00123456, 7, null].map(figure)).toEqual(["123,500", "0.001235", "7", ""])
})

test("published bars hang on cases of their own shape only", () => {
  expect(published("train step 7B 4x1024")).toContain("14,000")
  for (const other of [
    "train step 7B 4x1024, of matmul 8192x8192x8192",
    "train memory 7B 4x1024",
    "decode 7B batch 1",
  ])
    expect(published(other)).toBe("")
})

test("the arithmetic of a token: six FLOP for each weight that multiplies, and causal attention", async () => {
  // Counted from a model's own tensors: all but norms, biases and, where the head has its own, the embedding's table.
  const engine = await createEngine(parseConfig(configOf("tiny")), 0, {
    maxBatchTokens: 64,
    memoryLimit: 2 ** 28,
  })
  const { parameters } = await engine.stats()
  await engine.dispose()
  const [layers, hidden, kv] = [2, 64, 32]
  const vectors = layers * (2 * hidden + hidden + 2 * kv) + hidden
  const length = 100
  // Scores and weighted sums: a row of position p takes 2 products of 2 (p + 1) FLOP a column; three times that with the backward pass.
  let attention = 0
  for (let p = 0; p < length; p++) attention += (3 * 2 * 2 * (p + 1) * hidden * layers) / length
  const counted = 6 * (parameters - vectors) + attention
  expect(flopsPerToken("tiny", length)).toBeCloseTo(counted - 6 * layers * hidden, 3) // half a position, on average
  const billions = (shape: Shape) => flopsPerToken(shape, 0) / 6e9
  expect(billions("0.5B")).toBeCloseTo(0.494, 2)
  expect(billions("1.5B")).toBeCloseTo(1.54, 2)
  expect(billions("7B")).toBeCloseTo(7.07, 2) // 7.62 without the embedding's table
})

test("peaks of data sheets go by the driver's names", () => {
  const names = {
    "NVIDIA H200": 989.4,
    "NVIDIA H100 80GB HBM3": 989.4,
    "NVIDIA H100 PCIe": 756,
    "NVIDIA H200 NVL": 835.5,
    "NVIDIA H20": 148,
    "NVIDIA A100-SXM4-80GB": 311.9,
    "NVIDIA A10": 125,
    "NVIDIA L4": 121,
    "NVIDIA L40S": 362,
    "NVIDIA B200": 2250,
    "NVIDIA GeForce RTX 4090": 165.2,
  }
  for (const [name, peak] of Object.entries(names)) expect([name, peakTflops(name)]).toEqual([name, peak])
  for (const name of ["NVIDIA A10G", "Tesla T4", "NVIDIA GeForce RTX 4080"])
    expect(peakTflops(name)).toBeUndefined()
})

test("bench:gpu on an emulated device: cases, a table, and the same as Markdown", () => {
  const dir = mkdtempSync(join(tmpdir(), "bench-gpu-"))
  const file = join(dir, "table.md")
  const { code, out, err } = script(
    "bench-gpu.ts",
    "--device",
    "cuda:emulated",
    "--only",
    "train",
    "--markdown",
    file,
  )
  expect([code, err]).toEqual([0, expect.stringContaining("5 rows, 0 failed")])
  expect(out).toMatch(/^train step tiny 2x32: [\d.,]+ tok\/s$/m)
  expect(out).toMatch(/^\| train memory planned tiny 2x32 +\| MiB/m)
  const markdown = readFileSync(file, "utf8")
  expect(markdown).toContain("| train step tiny 2x32 ")
  expect(markdown).toStartWith("cuda:emulated")
  rmSync(dir, { recursive: true })
  expect(script("bench-gpu.ts", "--only", "nothing")).toMatchObject({
    code: 2,
    err: expect.stringContaining("known: kernels"),
  })
})

test("test:gpu on an emulated device: builds, runs, counts", () => {
  const { code, out } = script("test-gpu.ts", "--device", "cuda:emulated", "--case", "rmsnorm")
  expect([code, out]).toEqual([0, expect.stringContaining("2 passed, 0 failed, 0 skipped")])
  expect(out).toMatch(/^passed +rmsnorm on emulated .* checks, 0 failed; nearest to its tolerance: /m)
}, 600_000)
