// The store end to end on a real file: what is recorded comes back, whole steps only, whatever the database does.
import { Database } from "bun:sqlite"
import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openStore, type Store } from "@rectify/store"
import { aCompletion, aRun } from "./example.ts"

let dir: string
let path: string
const open: Store[] = []
const warnings: string[] = []

function start(options = {}) {
  const store = openStore(path, { flushMs: 5, warn: (message) => warnings.push(message), ...options })
  open.push(store)
  return store
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "store-"))
  path = join(dir, "rectify.db")
  warnings.length = 0
})

afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
  rmSync(dir, { recursive: true })
})

test("a run, its steps and its texts come back as recorded", async () => {
  const store = start()
  store.createRun(aRun())
  store.recordEvaluation("demo-1", 0, { accuracy: 0.3, mean_length: 80, rechecks: undefined })
  store.recordCompletions("demo-1", 1, [aCompletion(), aCompletion({ sample: 1, reward: Number.NaN })])
  store.recordStep("demo-1", 1, { reward: 0.5, loss: Number.NaN })
  store.recordEvent("demo-1", {
    kind: "warning",
    message: "entropy is low",
    step: 1,
    data: { entropy: 0.01 },
  })
  await store.flush()

  const run = await store.getRun("demo-1")
  const { run: id, ...rest } = aRun()
  expect(run).toMatchObject({ id, ...rest, name: "demo-1", state: "running", step: 1, error: null })
  expect(run!.machine.cores).toBeGreaterThan(0)
  expect(run!.code_version).toMatch(/^\d+\.\d+\.\d+/)
  expect((await store.metrics("demo-1")).points).toEqual([
    { step: 1, name: "loss", value: null, time: expect.any(Number) },
    { step: 1, name: "reward", value: 0.5, time: expect.any(Number) },
  ])
  const { items, total } = await store.completions("demo-1", { step: 1 })
  expect(total).toBe(2)
  expect(items[0]).toEqual({ ...aCompletion(), id: items[0]!.id, run: "demo-1", step: 1 })
  expect(items[1]!.reward).toBeNull()
  expect(await store.evaluations("demo-1")).toMatchObject([
    { step: 0, metrics: { accuracy: 0.3, mean_length: 80 } },
  ])
  expect(await store.events("demo-1", { kind: "warning" })).toMatchObject([
    { data: { entropy: 0.01 }, step: 1 },
  ])
})

test("another reader sees a step only when it is closed, and then all of it", async () => {
  const store = start()
  store.createRun(aRun())
  store.recordCompletions("demo-1", 1, [aCompletion()])
  await store.flush()
  const reader = start()
  expect((await reader.completions("demo-1")).total).toBe(0)
  store.recordStep("demo-1", 1, { reward: 1 })
  await store.flush()
  expect((await reader.completions("demo-1")).total).toBe(1)
  expect((await reader.metrics("demo-1")).points).toHaveLength(1)
})

test("records are written on a timer, without flush", async () => {
  const store = start()
  store.createRun(aRun())
  const reader = start()
  for (let i = 0; i < 100 && !(await reader.getRun("demo-1")); i++) await Bun.sleep(5)
  expect(await reader.getRun("demo-1")).toBeDefined()
})

test("a resumed run forgets what came after its checkpoint and records it anew", async () => {
  const store = start()
  store.createRun(aRun())
  for (const step of [1, 2, 3]) {
    store.recordCompletions("demo-1", step, [aCompletion()])
    store.recordStep("demo-1", step, { reward: step })
  }
  store.setState("demo-1", "interrupted")
  await store.close()

  const again = start()
  again.createRun(aRun("demo-1", { steps: 20 }))
  again.forgetAfter("demo-1", 1)
  again.recordStep("demo-1", 2, { reward: 20 })
  await again.flush()
  expect((await again.metrics("demo-1")).points.map((point) => point.value)).toEqual([1, 20])
  expect((await again.completions("demo-1")).total).toBe(1)
  expect(await again.getRun("demo-1")).toMatchObject({ state: "running", step: 2, steps: 20 })
})

test("a locked database is waited for: one warning, nothing lost, and word when it is over", async () => {
  const store = start()
  store.createRun(aRun())
  await store.flush()
  const other = new Database(path)
  other.run("BEGIN IMMEDIATE")
  for (const step of [1, 2, 3]) {
    store.recordStep("demo-1", step, { reward: step })
    await store.flush()
  }
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain("locked")
  other.run("COMMIT")
  other.close()
  await store.flush()
  expect(warnings).toHaveLength(2)
  expect((await store.metrics("demo-1")).points).toHaveLength(3)
})

test("a place that cannot be opened does not stop the run, and is used once it can be", async () => {
  path = join(dir, "blocked", "rectify.db")
  writeFileSync(join(dir, "blocked"), "a file where the folder should be")
  const store = start()
  store.createRun(aRun())
  store.recordStep("demo-1", 1, { reward: 1 })
  await store.flush()
  expect(warnings).toHaveLength(1)
  rmSync(join(dir, "blocked"))
  mkdirSync(join(dir, "blocked"))
  await store.flush()
  expect((await store.metrics("demo-1")).points).toHaveLength(1)
})

test("a full disk is waited for", async () => {
  const store = start()
  store.createRun(aRun())
  await store.flush()
  await store.close()
  // A file-size limit is what a full disk looks like to SQLite, and can be lifted from outside.
  const script = `
    import { openStore } from "@rectify/store"
    import { aCompletion } from ${JSON.stringify(join(import.meta.dir, "example.ts"))}
    const store = openStore(${JSON.stringify(path)}, { flushMs: 5 })
    const long = "x".repeat(200_000)
    for (let step = 1; step <= 5; step++) {
      store.recordCompletions("demo-1", step, [aCompletion({ completion: long })])
      store.recordStep("demo-1", step, { reward: step })
      await store.flush()
    }
    console.log("full")
    for await (const _ of console) break
    await store.close()`
  const child = Bun.spawn(["sh", "-c", 'trap "" XFSZ; ulimit -S -f 600; exec bun -e "$0"', script], {
    cwd: join(import.meta.dir, "../.."),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  })
  const { value } = await child.stdout.getReader().read()
  expect(new TextDecoder().decode(value)).toContain("full")
  const lifted = Bun.spawnSync(["prlimit", "--pid", String(child.pid), "--fsize=unlimited"])
  expect(lifted.exitCode).toBe(0)
  child.stdin.write("go\n")
  child.stdin.end()
  expect(await child.exited).toBe(0)
  const stderr = await new Response(child.stderr).text()
  expect(stderr.match(/cannot write/g)).toHaveLength(1)
  expect(stderr).toContain("can be written again")
  const reader = start()
  expect((await reader.metrics("demo-1")).points).toHaveLength(5)
})

test("memory is bounded while nothing can be written: the oldest completions go, the metrics stay", async () => {
  const store = start({ maxQueued: 20 })
  store.createRun(aRun())
  await store.flush()
  const other = new Database(path)
  other.run("BEGIN IMMEDIATE")
  for (let step = 1; step <= 10; step++) {
    store.recordCompletions(
      "demo-1",
      step,
      Array.from({ length: 4 }, () => aCompletion()),
    )
    store.recordStep("demo-1", step, { reward: step })
  }
  other.run("COMMIT")
  other.close()
  await store.flush()
  expect((await store.metrics("demo-1")).points).toHaveLength(10)
  const { items } = await store.completions("demo-1")
  expect(items.length).toBeLessThanOrEqual(20)
  expect(items.at(-1)!.step).toBe(10)
})

test("two trainers write the same file", async () => {
  const [one, two] = [start(), start()]
  one.createRun(aRun("a"))
  two.createRun(aRun("b"))
  for (let step = 1; step <= 50; step++) {
    one.recordStep("a", step, { reward: step })
    two.recordStep("b", step, { reward: -step })
    if (step % 10 === 0) await Bun.sleep(6)
  }
  await one.close()
  await two.close()
  const reader = start()
  expect((await reader.metrics("a")).points).toHaveLength(50)
  expect((await reader.metrics("b")).points).toHaveLength(50)
  expect(warnings).toEqual([])
})

test("a closed store refuses records and says which", async () => {
  const store = start()
  await store.close()
  expect(() => store.setState("demo-1", "done")).toThrow(/rectify\.db is closed/)
})
