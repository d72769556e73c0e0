// A run without a store records into nothing, with every verb of one.
import { expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openStore } from "@rectify/store"
import { noRecorder } from "../../packages/trainer/src/recorder.ts"

test("every writing verb of the store is there, and does nothing", async () => {
  const dir = await mkdtemp(join(tmpdir(), "recorder-"))
  const store = openStore(join(dir, "runs.db"))
  for (const [name, verb] of Object.entries(noRecorder)) {
    expect(store).toHaveProperty(name)
    expect(await (verb as () => unknown)()).toBeUndefined()
  }
  await store.close()
  await rm(dir, { recursive: true })
})
