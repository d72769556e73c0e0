// The typed client against a server on the loopback.
import { afterAll, beforeAll, expect, test } from "bun:test"
import { type Served, serve } from "@rectify/api"
import { client } from "@rectify/api/client"
import { openStore, type Store } from "@rectify/store"
import { aRun } from "../store/example.ts"

let store: Store
let served: Served

beforeAll(async () => {
  store = openStore(":memory:", { flushMs: 1 })
  store.createRun(aRun("demo-1"))
  store.recordStep("demo-1", 1, { reward: 0.5 })
  await store.flush()
  served = serve(store, {
    port: 0,
    token: "secret",
    controller: { request: async (_run, { action }) => ({ done: true, step: 1, message: action }) },
  })
})
afterAll(async () => {
  await served.stop()
  await store.close()
})

test("routes, queries, answers and failures have types", async () => {
  const { api } = client(served.url)
  const { data } = await api.runs({ id: "demo-1" }).metrics.get({ query: { name: "reward" } })
  const value: number | null | undefined = data?.metrics.reward?.value[0]
  expect(value).toBe(0.5)
  const { error } = await api.runs({ id: "none" }).get()
  expect(error?.status).toBe(404)
  if (error?.status === 404) expect(error.value.hint).toContain("GET /api/runs")
})

test("control goes with the token only", async () => {
  const pause = (token?: string) =>
    client(served.url, { token }).api.runs({ id: "demo-1" }).control.post({ action: "pause" })
  expect((await pause()).status).toBe(401)
  expect((await pause("secret")).data).toEqual({ run: "demo-1", action: "pause", step: 1, message: "pause" })
})
