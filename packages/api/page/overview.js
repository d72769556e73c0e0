// All runs: how each stands, how far it is, and its reward as a line.
import { get, runPath } from "/static/api.js"
import { ago, el } from "/static/dom.js"

const AGAIN_MS = 5_000

export function overview(main) {
  const body = el("tbody")
  const search = el("input", {
    type: "search",
    placeholder: "part of a name",
    "aria-label": "Find runs",
    "data-search": true,
  })
  main.replaceChildren(
    el("h1", {}, "Runs"),
    el("div", { class: "row" }, search),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["run", "state", "step", "reward", "seen"].map((name) => el("th", { scope: "col" }, name)),
          ),
        ),
        body,
      ),
    ),
  )
  const lines = new Map()
  const draw = async () => {
    const { runs } = await get("/api/runs", { limit: 50, search: search.value })
    if (runs.length === 0)
      return body.replaceChildren(
        el("tr", {}, el("td", { colspan: 5 }, "No runs yet: bun run train starts one.")),
      )
    body.replaceChildren(...runs.map((run) => row(run, lines)))
  }
  search.addEventListener("input", () => draw().catch(() => {}))
  const timer = setInterval(() => draw().catch(() => {}), AGAIN_MS)
  return { ready: draw(), end: () => clearInterval(timer) }
}

function row({ id, state, step, steps, heartbeat }, lines) {
  const cell = el("td")
  const known = lines.get(id)
  if (known?.step === step) cell.append(sparkline(known.values))
  else
    get(`${runPath(id)}/metrics/buckets`, { name: "reward", buckets: 60 })
      .then(({ metrics }) => {
        lines.set(id, { step, values: metrics.reward?.mean ?? [] })
        cell.append(sparkline(metrics.reward?.mean ?? []))
      })
      .catch(() => {})
  return el(
    "tr",
    {},
    el("td", {}, el("a", { href: `#/run/${encodeURIComponent(id)}` }, id)),
    el("td", {}, el("span", { class: `state ${state}` }, state)),
    el("td", { class: "number" }, `${step}/${steps}`),
    cell,
    el("td", { class: "faint" }, ago(heartbeat)),
  )
}

function sparkline(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "spark")
  svg.setAttribute("viewBox", "0 0 100 24")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("role", "img")
  const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null)
  const low = Math.min(...known.map(([, value]) => value))
  const high = Math.max(...known.map(([, value]) => value))
  svg.setAttribute(
    "aria-label",
    known.length === 0 ? "no reward yet" : `reward from ${low.toFixed(2)} to ${high.toFixed(2)}`,
  )
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path")
  const at = ([i, value]) =>
    `${((100 * i) / Math.max(1, values.length - 1)).toFixed(1)} ${(22 - (20 * (value - low)) / (high - low || 1)).toFixed(1)}`
  path.setAttribute("d", known.length === 0 ? "" : `M${known.map(at).join("L")}`)
  svg.append(path)
  return svg
}
