// GET /api/runs/:id/metrics and /metrics/buckets: numbers by name, step range and time, as they are or summed up for a chart.
import type { Bucket, MetricPoint, Reader } from "@rectify/store"
import { Elysia, t } from "elysia"
import { noSuchRun } from "../errors.ts"
import { type BucketSeries, BucketsAnswer, ErrorBody, MetricsAnswer, type Series } from "../schemas.ts"

const MOST_POINTS = 100_000
const MOST_BUCKETS = 2_000

const range = {
  name: t.Optional(
    t.String({ maxLength: 4000, description: "one metric, or several with commas; default: all" }),
  ),
  from: t.Optional(t.Integer({ minimum: 0, description: "first step" })),
  to: t.Optional(t.Integer({ minimum: 0, description: "last step" })),
}

export const metrics = (store: Reader) =>
  new Elysia()
    .get(
      "/api/runs/:id/metrics",
      async ({ params: { id }, query: { name, from, to, since, limit = 20_000 } }) => {
        if ((await store.getRun(id)) === undefined) throw noSuchRun(id)
        const { points, more } = await store.metrics(id, {
          names: listed(name),
          from_step: from,
          to_step: to,
          since,
          limit,
        })
        return { run: id, metrics: columns(points), next: points.at(-1)?.time ?? since ?? 0, more }
      },
      {
        params: t.Object({ id: t.String() }),
        query: t.Object({
          ...range,
          since: t.Optional(t.Integer({ minimum: 0, description: "`next` of an earlier answer" })),
          limit: t.Optional(
            t.Integer({ minimum: 1, maximum: MOST_POINTS, description: "most points, in whole steps" }),
          ),
        }),
        response: { 200: MetricsAnswer, 400: ErrorBody, 404: ErrorBody },
        detail: { summary: "Metrics of a run", tags: ["runs"] },
      },
    )
    .get(
      "/api/runs/:id/metrics/buckets",
      async ({ params: { id }, query: { name, from, to, buckets: count = 300 } }) => {
        if ((await store.getRun(id)) === undefined) throw noSuchRun(id)
        const names = listed(name) ?? (await store.metricNames(id))
        // The place is taken first: what is recorded meanwhile is then sent twice rather than never.
        const { step_time } = await store.position(id)
        const found = await store.buckets(id, { names, from_step: from, to_step: to, count })
        return { run: id, metrics: bucketColumns(found), next: step_time }
      },
      {
        params: t.Object({ id: t.String() }),
        query: t.Object({
          ...range,
          buckets: t.Optional(
            t.Integer({ minimum: 1, maximum: MOST_BUCKETS, description: "ranges of steps; default 300" }),
          ),
        }),
        response: { 200: BucketsAnswer, 400: ErrorBody, 404: ErrorBody },
        detail: { summary: "Metrics of a run as min, mean and max of ranges of steps", tags: ["runs"] },
      },
    )

const listed = (name: string | undefined) => name?.split(",").filter((part) => part !== "")

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

function bucketColumns(found: Bucket[]): Record<string, BucketSeries> {
  const columns: Record<string, BucketSeries> = {}
  for (const { name, ...bucket } of found) {
    columns[name] ??= { first: [], last: [], min: [], mean: [], max: [], count: [] }
    const column = columns[name]
    column.first.push(bucket.first)
    column.last.push(bucket.last)
    column.min.push(bucket.min)
    column.mean.push(bucket.mean)
    column.max.push(bucket.max)
    column.count.push(bucket.count)
  }
  return columns
}
