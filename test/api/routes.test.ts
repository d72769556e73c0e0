// The API in process: answers as documented, errors as JSON with a hint.
import { afterAll, beforeAll, expect, spyOn, test } from "bun:test"
import { type App, createApp } from "@rectify/api"
import { openStore, type Store } from "@rectify/store"
import { aRun } from "../store/example.ts"

let store: Store
let app: App

const get = async (path: string) => {
  const response = await app.handle(new Request(`http://localhost${path}`))
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came back
  const body: any = await response.json()
  return { status: response.status, headers: response.headers, body }
}

beforeAll(async () => {
  store = openStore(":memory:", { flushMs: 1 })
  store.createRun(aRun("demo-1"))
  store.createRun(aRun("demo-2"))
  for (let step = 1; step <= 4; step++)
    store.recordStep("demo-1", step, { reward: step / 4, loss: Number.NaN })
  store.recordEvaluation("demo-1", 0, { accuracy: 0.25 })
  store.setState("demo-1", "done")
  await store.flush()
  app = createApp(store)
})
afterAll(() => store.close())

test("/health", async () => {
  const { status, body, headers } = await get("/health")
  expect(status).toBe(200)
  expect(body).toMatchObject({ status: "ok", version: expect.any(String) })
  expect(headers.get("x-content-type-options")).toBe("nosniff")
})

test("/api/runs pages and filters", async () => {
  const { body } = await get("/api/runs?limit=1&offset=1")
  expect(body).toMatchObject({ total: 2, limit: 1, offset: 1 })
  expect(body.runs).toHaveLength(1)
  const done = await get("/api/runs?state=done")
  expect(done.body.runs.map((run: { id: string }) => run.id)).toEqual(["demo-1"])
  expect(done.body.runs[0]).not.toHaveProperty("recipe")
})

test("/api/runs/:id has the recipe, the machine, metric names and evaluations", async () => {
  const { status, body } = await get("/api/runs/demo-1")
  expect(status).toBe(200)
  expect(body).toMatchObject({
    id: "demo-1",
    state: "done",
    step: 4,
    steps: 10,
    recipe: { num_generations: 2 },
    metric_names: ["loss", "reward"],
    evaluations: [{ step: 0, metrics: { accuracy: 0.25 } }],
  })
})

test("/api/runs/:id/metrics by name, range and cursor", async () => {
  const { body } = await get("/api/runs/demo-1/metrics?name=reward&from=2&to=3")
  expect(body.metrics).toEqual({ reward: { step: [2, 3], value: [0.5, 0.75], time: expect.any(Array) } })
  expect(body.more).toBe(false)
  const all = await get("/api/runs/demo-1/metrics?limit=4")
  expect(all.body.metrics.loss).toMatchObject({ step: [1, 2], value: [null, null] })
  expect(all.body.more).toBe(true)
  const rest = await get(`/api/runs/demo-1/metrics?since=${all.body.next}`)
  expect(rest.body.metrics.reward.step).toEqual([3, 4])
  const none = await get(`/api/runs/demo-1/metrics?since=${rest.body.next}`)
  expect(none.body).toMatchObject({ metrics: {}, next: rest.body.next, more: false })
})

test.each([
  ["/api/runs/nothing", 404, "not_found", "nothing"],
  ["/api/runs/nothing/metrics", 404, "not_found", "nothing"],
  ["/api/nothing", 404, "not_found", "/api/nothing"],
  [
    "/api/runs?limit=100000",
    400,
    "bad_request",
    "limit: expected integer at least 1 and at most 200, got 100000",
  ],
  [
    "/api/runs?limit=many",
    400,
    "bad_request",
    "limit: expected integer at least 1 and at most 200, got many",
  ],
  ["/api/runs?state=happy", 400, "bad_request", "state: expected running or paused or done or"],
  ["/api/runs/demo-1/metrics?from=-1", 400, "bad_request", "from"],
  ["/api/runs/%00/metrics", 404, "not_found", "no run"],
])("%s is refused with %i %s", async (path, status, code, part) => {
  const answer = await get(path)
  expect(answer.status).toBe(status)
  expect(answer.headers.get("content-type")).toContain("application/json")
  expect(answer.body).toEqual({ code, message: expect.stringContaining(part), hint: expect.any(String) })
})

test("a database that cannot be read is 503 with a hint, any other failure 500 without details", async () => {
  const failing = spyOn(store, "getRun").mockRejectedValueOnce(
    Object.assign(new Error("database is locked"), { name: "SQLiteError" }),
  )
  expect(await get("/api/runs/demo-1")).toMatchObject({ status: 503, body: { code: "database_unavailable" } })
  failing.mockRejectedValueOnce(new Error("secret"))
  const quiet = spyOn(console, "error").mockImplementation(() => {})
  const { status, body } = await get("/api/runs/demo-1")
  expect(status).toBe(500)
  expect(JSON.stringify(body)).not.toContain("secret")
  quiet.mockRestore()
  failing.mockRestore()
})

test("/openapi.json is OpenAPI 3.1 and names every route with its answers", async () => {
  const { body } = await get("/openapi.json")
  expect(body.openapi).toMatch(/^3\.1/)
  expect(Object.keys(body.paths).sort()).toEqual([
    "/api/runs",
    "/api/runs/{id}",
    "/api/runs/{id}/metrics",
    "/health",
  ])
  const answers = body.paths["/api/runs/{id}"].get.responses
  expect(Object.keys(answers)).toEqual(["200", "404"])
  expect(answers["404"].content["application/json"].schema.properties.hint).toBeDefined()
})
