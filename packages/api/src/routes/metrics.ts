// GET /api/runs/:id/metrics: numbers by name, step range and time.
import type { MetricPoint, Reader } from "@rectify/store"
import { Elysia, t } from "elysia"
import { noSuchRun } from "../errors.ts"
import { ErrorBody, MetricsAnswer, type Series } from "../schemas.ts"

const MOST_POINTS = 100_000

export const metrics = (store: Reader) =>
  new Elysia().get(
    "/api/runs/:id/metrics",
    async ({ params: { id }, query: { name, from, to, since, limit = 20_000 } }) => {
      if ((await store.getRun(id)) === undefined) throw noSuchRun(id)
      const names = name?.split(",").filter((part) => part !== "")
      const { points, more } = await store.metrics(id, { names, from_step: from, to_step: to, since, limit })
      return { run: id, metrics: columns(points), next: points.at(-1)?.time ?? since ?? 0, more }
    },
    {
      params: t.Object({ id: t.String() }),
      query: t.Object({
        name: t.Optional(
          t.String({ maxLength: 4000, description: "one metric, or several with commas; default: all" }),
        ),
        from: t.Optional(t.Integer({ minimum: 0, description: "first step" })),
        to: t.Optional(t.Integer({ minimum: 0, description: "last step" })),
        since: t.Optional(t.Integer({ minimum: 0, description: "`next` of an earlier answer" })),
        limit: t.Optional(
          t.Integer({ minimum: 1, maximum: MOST_POINTS, description: "most points, in whole steps" }),
        ),
      }),
      response: { 200: MetricsAnswer, 400: ErrorBody, 404: ErrorBody },
      detail: { summary: "Metrics of a run", tags: ["runs"] },
    },
  )

function columns(points: MetricPoint[]): Record<string, Series> {
  const columns: Record<string, Series> = {}
  for (const { name, step, value, time } of points) {
    columns[name] ??= { step: [], value: [], time: [] }
    const column = columns[name]
    column.step.push(step)
    column.value.push(value)
    column.time.push(time)
  }
  return columns
}
