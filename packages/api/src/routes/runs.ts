// GET /api/runs, /api/runs/:id: what was trained here and how it stands.
import type { Reader, Run } from "@rectify/store"
import { Elysia, t } from "elysia"
import { noSuchRun } from "../errors.ts"
import { ErrorBody, RunDetail, RunPage, type RunSummary, State } from "../schemas.ts"

const MOST_RUNS = 200

export const runs = (store: Reader) =>
  new Elysia()
    .get(
      "/api/runs",
      async ({ query }) => {
        const { limit = 50, offset = 0, state, search } = query
        const { items, total } = await store.listRuns({ state, search, limit, offset })
        return { runs: items.map(summary), total, limit, offset }
      },
      {
        query: t.Object({
          state: t.Optional(State),
          search: t.Optional(t.String({ maxLength: 200, description: "part of the id" })),
          limit: t.Optional(t.Integer({ minimum: 1, maximum: MOST_RUNS })),
          offset: t.Optional(t.Integer({ minimum: 0 })),
        }),
        response: { 200: RunPage, 400: ErrorBody },
        detail: { summary: "Runs, newest first", tags: ["runs"] },
      },
    )
    .get(
      "/api/runs/:id",
      async ({ params: { id } }) => {
        const run = await store.getRun(id)
        if (run === undefined) throw noSuchRun(id)
        const { run_dir, code_version, machine, recipe } = run
        const evaluations = (await store.evaluations(id)).map(({ step, time, metrics }) => ({
          step,
          time,
          metrics,
        }))
        const metric_names = await store.metricNames(id)
        return { ...summary(run), run_dir, code_version, machine, recipe, metric_names, evaluations }
      },
      {
        params: t.Object({ id: t.String() }),
        response: { 200: RunDetail, 404: ErrorBody },
        detail: { summary: "One run: recipe, machine, evaluations", tags: ["runs"] },
      },
    )

function summary({ id, name, state, error, step, steps, seed, created, heartbeat }: Run): RunSummary {
  return { id, name, state, error, step, steps, seed, created, heartbeat }
}
