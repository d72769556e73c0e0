// The shapes of the API's answers, as TypeBox schemas: they check, type and document every route.
import { type Static, t } from "elysia"

const Nullable = <T extends Parameters<typeof t.Union>[0][number]>(schema: T) => t.Union([schema, t.Null()])

export const ErrorBody = t.Object(
  {
    code: t.String({ examples: ["not_found"] }),
    message: t.String(),
    hint: t.String({ description: "what to do about it" }),
  },
  { description: "Every error has this shape" },
)

export const Health = t.Object({
  status: t.Literal("ok"),
  version: t.String(),
  uptime_seconds: t.Number(),
})

export const State = t.Union(
  [
    t.Literal("running"),
    t.Literal("paused"),
    t.Literal("done"),
    t.Literal("interrupted"),
    t.Literal("failed"),
    t.Literal("lost"),
  ],
  { description: "lost: said to be running, but silent for half a minute" },
)

const summary = {
  id: t.String(),
  name: t.String(),
  state: State,
  error: Nullable(t.String()),
  step: t.Integer({ description: "last RL step recorded" }),
  steps: t.Integer({ description: "RL steps planned" }),
  seed: t.Integer(),
  created: t.Integer({ description: "milliseconds since 1970" }),
  heartbeat: t.Integer({ description: "when the run last said that it lives, milliseconds since 1970" }),
}

export const RunSummary = t.Object(summary)

export const RunDetail = t.Object({
  ...summary,
  run_dir: t.String(),
  code_version: t.String(),
  machine: t.Object({
    hostname: t.String(),
    os: t.String(),
    cpu: t.String(),
    cores: t.Integer(),
    memory_bytes: t.Number(),
  }),
  recipe: t.Record(t.String(), t.Unknown(), { description: "as resolved: every key, defaults filled in" }),
  metric_names: t.Array(t.String()),
  evaluations: t.Array(
    t.Object({ step: t.Integer(), time: t.Integer(), metrics: t.Record(t.String(), t.Number()) }),
  ),
})

export const RunPage = t.Object({
  runs: t.Array(RunSummary),
  total: t.Integer({ description: "how many match, on all pages" }),
  limit: t.Integer(),
  offset: t.Integer(),
})

export const Series = t.Object(
  {
    step: t.Array(t.Integer()),
    value: t.Array(Nullable(t.Number()), { description: "null: not a finite number" }),
    time: t.Array(t.Integer()),
  },
  { description: "columns of equal length, by step" },
)

export const MetricsAnswer = t.Object({
  run: t.String(),
  metrics: t.Record(t.String(), Series),
  next: t.Integer({ description: "pass it as `since` to get only what is newer" }),
  more: t.Boolean({ description: "cut by `limit`: ask again with `since`" }),
})

export type RunSummary = Static<typeof RunSummary>
export type Series = Static<typeof Series>
