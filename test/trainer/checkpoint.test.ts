// Checkpoints: whole or absent, in order, no more than asked for, and refused once anything in them changed.
import { afterEach, beforeEach, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  checkpoints,
  publish,
  type RunPlace,
  readCheckpoint,
  saveCheckpoint,
} from "../../packages/trainer/src/checkpoint.ts"
import { FakeEngine } from "./fake-engine.ts"

let dir = ""
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "checkpoint-"))
})
afterEach(() => rm(dir, { recursive: true }))

const tokenizer = { save: async (to: string) => writeFile(join(to, "tokenizer.json"), "{}") }
const place = (step: number): RunPlace => ({
  step,
  updates: step * 2,
  prompts: step * 8,
  numTokens: 1000,
  seed: 1,
  dataset: { next: step * 8 },
  before: null,
})
const save = (step: number, options = {}) =>
  saveCheckpoint(new FakeEngine(3), tokenizer, dir, place(step), {
    withOptimizer: true,
    limit: null,
    ...options,
  })

test("what was saved comes back", async () => {
  const at = await save(20)
  expect(at).toBe(join(dir, "checkpoint-20"))
  const { optimizer, place: found } = await readCheckpoint(at)
  expect(found).toMatchObject(place(20))
  expect(optimizer).toBe(join(at, "optimizer.safetensors"))
  expect((await readdir(at)).sort()).toEqual([
    "model.json",
    "optimizer.safetensors",
    "tokenizer.json",
    "trainer_state.json",
  ])
  expect(await readdir(dir)).toEqual(["checkpoint-20"])
})

test("by step, not by name, and no more than the limit", async () => {
  for (const step of [5, 10, 100]) await save(step)
  expect((await checkpoints(dir)).map((each) => each.slice(dir.length + 1))).toEqual([
    "checkpoint-5",
    "checkpoint-10",
    "checkpoint-100",
  ])
  await save(200, { limit: 2 })
  expect((await checkpoints(dir)).map((each) => each.slice(dir.length + 1))).toEqual([
    "checkpoint-100",
    "checkpoint-200",
  ])
  expect(await checkpoints(join(dir, "nowhere"))).toEqual([])
})

test("an engine that fails while saving leaves no checkpoint behind", async () => {
  const broken = new FakeEngine(3)
  broken.save = () => Promise.reject(new Error("disk full"))
  const options = { withOptimizer: true, limit: null }
  await expect(saveCheckpoint(broken, tokenizer, dir, place(1), options)).rejects.toThrow("disk full")
  expect(await checkpoints(dir)).toEqual([])
})

const damages: [string, (at: string) => Promise<void>, RegExp][] = [
  [
    "a changed byte",
    (at) => change(join(at, "model.json")),
    /model\.json: expected \d+ bytes with SHA-256 .* damaged/,
  ],
  [
    "a file cut short",
    (at) => truncate(join(at, "optimizer.safetensors"), 10),
    /optimizer\.safetensors: expected .* got 10 bytes/,
  ],
  [
    "a missing file",
    (at) => rm(join(at, "tokenizer.json")),
    /tokenizer\.json: expected 2 bytes, got no file/,
  ],
  [
    "a state that is no JSON",
    (at) => writeFile(join(at, "trainer_state.json"), "{"),
    /trainer_state\.json: expected the state of a run/,
  ],
  [
    "no state",
    (at) => rm(join(at, "trainer_state.json")),
    /trainer_state\.json: expected the state of a run/,
  ],
  [
    "a state of another format",
    (at) => writeFile(join(at, "trainer_state.json"), '{"format":2}'),
    /expected format 1, got 2/,
  ],
]
test.each(damages)("%s is refused", async (_, damage, message) => {
  const at = await save(1)
  await damage(at)
  expect(readCheckpoint(at)).rejects.toThrow(message)
})

test("a checkpoint of weights alone cannot be resumed, and says what it is good for", async () => {
  const at = await save(1, { withOptimizer: false })
  expect(readCheckpoint(at)).rejects.toThrow("--model_name_or_path")
})

test("publishing a folder that is there already keeps the first", async () => {
  for (const name of ["first", "second"]) {
    await mkdir(join(dir, name))
    await writeFile(join(dir, name, "x"), name)
    await publish(join(dir, name), join(dir, "final"))
    expect(existsSync(join(dir, name))).toBe(false)
  }
  expect(await readFile(join(dir, "final", "x"), "utf8")).toBe("first")
})

async function change(file: string): Promise<void> {
  const bytes = await readFile(file)
  bytes[20]! ^= 1
  await writeFile(file, bytes)
}
