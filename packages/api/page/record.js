// What a run left behind beside its numbers: evaluations, events, and the recipe it was made from.
import { el, empty, scrolling, show, table } from "/static/dom.js"

export function evaluationsTab(place, { held }) {
  const draw = () => {
    const rows = [...held.values()].sort((a, b) => a.step - b.step)
    if (rows.length === 0)
      return place.replaceChildren(
        empty("Not evaluated yet", el("p", {}, "Held-out quality appears here each time it is measured.")),
      )
    const names = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics)))]
    const cells = ({ step, metrics }) =>
      [String(step), ...names.map((name) => show(metrics[name]))].map((text) =>
        el("td", { class: "number" }, text),
      )
    place.replaceChildren(
      scrolling(
        "Evaluations",
        table(
          ["step", ...names].map((name) => name.replaceAll("_", " ")),
          rows.map((row) => el("tr", {}, cells(row))),
        ),
      ),
    )
  }
  draw()
  return { on: (event) => event === "evaluation" && draw() }
}

export function eventsTab(place, { events }) {
  const row = ({ time, step, kind, message }) =>
    el(
      "tr",
      {},
      el("td", { class: "number muted small" }, new Date(time).toLocaleString()),
      el("td", { class: "number" }, step === null ? "" : String(step)),
      el("td", { class: kind === "warning" ? "paused" : "muted" }, kind),
      el("td", {}, message),
    )
  const draw = () =>
    place.replaceChildren(
      scrolling("Events", table(["when", "step", "kind", "what"], events.toReversed().map(row))),
    )
  draw()
  return { on: (event) => event === "event" && draw() }
}

export function recipeTab(place, { found }) {
  const { machine, code_version, run_dir, seed, created, recipe } = found
  const facts = {
    folder: run_dir,
    started: new Date(created).toLocaleString(),
    seed,
    code: code_version,
    machine: `${machine.hostname}, ${machine.cpu}, ${machine.cores} cores, ${show(machine.memory_bytes / 2 ** 30)} GiB, ${machine.os}`,
  }
  const text = yaml(recipe)
  place.replaceChildren(
    el(
      "section",
      { class: "panel" },
      el(
        "dl",
        { class: "facts" },
        Object.entries(facts).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]),
      ),
    ),
    el(
      "section",
      { class: "panel section" },
      el(
        "div",
        { class: "row" },
        el("h2", {}, "Recipe, every key"),
        el(
          "button",
          { type: "button", class: "push", onclick: () => navigator.clipboard?.writeText(text) },
          "Copy",
        ),
      ),
      el("pre", { class: "recipe", tabindex: 0 }, text),
    ),
  )
  return {}
}

/** JSON as YAML, which is what recipes are written in. */
export function yaml(value, indent = "") {
  if (Array.isArray(value) && value.some((each) => typeof each === "object" && each !== null))
    return value.map((each) => `\n${indent}- ${yaml(each, `${indent}  `).trimStart()}`).join("")
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value)
  if (Object.keys(value).length === 0) return "{}"
  const lines = Object.entries(value).map(([key, part]) => {
    const nested =
      typeof part === "object" &&
      part !== null &&
      !(Array.isArray(part) && part.every((each) => typeof each !== "object")) &&
      Object.keys(part).length > 0
    if (!nested) return `${indent}${key}: ${yaml(part, indent)}`
    const inner = yaml(part, `${indent}  `)
    return `${indent}${key}:${inner.startsWith("\n") ? "" : "\n"}${inner}`
  })
  return lines.join("\n")
}
