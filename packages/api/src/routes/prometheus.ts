// GET /metrics: the newest step of every run that goes on, in Prometheus' text format.
import type { Reader, Run } from "@rectify/store"
import { Elysia, t } from "elysia"

const MOST_RUNS = 50

export const prometheus = (store: Reader) =>
  new Elysia().get(
    "/metrics",
    async ({ set }) => {
      set.headers["content-type"] = "text/plain; version=0.0.4; charset=utf-8"
      const live: Run[] = []
      for (const state of ["running", "paused"] as const)
        live.push(...(await store.listRuns({ state, limit: MOST_RUNS })).items)
      return await exposition(store, live)
    },
    {
      response: { 200: t.String() },
      detail: { summary: "Runs that go on, for Prometheus", tags: ["server"] },
    },
  )

async function exposition(store: Reader, runs: Run[]): Promise<string> {
  const families = new Map<string, string[]>()
  const add = (name: string, labels: Record<string, string>, value: number | null) => {
    const text = Object.entries(labels).map(([key, label]) => `${key}="${escaped(label)}"`)
    const lines = families.get(name) ?? []
    families.set(name, lines)
    lines.push(`${name}{${text.join(",")}} ${value ?? "NaN"}`)
  }
  for (const run of runs) {
    add("rectify_run_info", { run: run.id, state: run.state }, 1)
    add("rectify_run_step", { run: run.id }, run.step)
    add("rectify_run_steps", { run: run.id }, run.steps)
    add("rectify_run_heartbeat_seconds", { run: run.id }, run.heartbeat / 1000)
    const { points } = await store.metrics(run.id, { from_step: run.step, to_step: run.step })
    for (const { name, value } of points) add(metricName(name), { run: run.id }, value)
  }
  return [...families].map(([name, lines]) => `# TYPE ${name} gauge\n${lines.join("\n")}\n`).join("")
}

/** completions/mean_length -> rectify_completions_mean_length */
const metricName = (name: string) => `rectify_${name.replace(/[^a-zA-Z0-9_]/g, "_")}`

const escaped = (label: string) =>
  label.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
