// One run: how it stands, its warnings, its steering, its charts as they grow, its held-out quality.
import { control, follow, get, runPath, token } from "/static/api.js"
import { Charts, Numbers } from "/static/charts.js"
import { el, say, show } from "/static/dom.js"

const REDRAW_MS = 500
const LIVE = ["running", "paused"]

export function run(main, id) {
  const state = el("span", { class: "state", id: "state" })
  const step = el("span", { class: "number", id: "step" })
  const alarms = el("ul", { class: "warning", id: "warnings", "aria-live": "polite" })
  const evaluations = el("tbody")
  const place = el("div", { class: "grid", id: "charts" })
  const steering = steeringOf(id)
  const numbers = new Numbers(id)
  const charts = new Charts(numbers, place)
  main.replaceChildren(
    el("h1", {}, id),
    el(
      "div",
      { class: "row" },
      state,
      step,
      el("a", { href: `#/run/${encodeURIComponent(id)}/completions` }, "completions"),
    ),
    alarms,
    steering,
    controlsOf(id, charts),
    place,
    el("h2", {}, "Held out"),
    el("div", { class: "scroll panel" }, el("table", {}, evaluations)),
  )

  const held = new Map()
  const drawHeld = () => {
    const rows = [...held.values()].sort((a, b) => a.step - b.step)
    const names = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics)))]
    const cells = ({ step, metrics }) =>
      [step, ...names.map((name) => show(metrics[name]))].map((text) => el("td", { class: "number" }, text))
    evaluations.replaceChildren(
      el(
        "tr",
        {},
        ...["step", ...names].map((name) => el("th", { scope: "col" }, name.replaceAll("_", " "))),
      ),
      ...rows.map((row) => el("tr", {}, ...cells(row))),
    )
  }
  const drawState = (found) => {
    state.textContent = found.state
    state.className = `state ${found.state}`
    if (found.steps !== undefined) step.textContent = `step ${found.step} of ${found.steps}`
    steering.hidden = !LIVE.includes(found.state)
    if (found.error) alarm(found.error)
  }
  const alarm = (message) => alarms.append(el("li", {}, message))

  let stale = false
  const timer = setInterval(() => {
    if (!stale || document.hidden) return
    stale = false
    charts.refresh()
  }, REDRAW_MS)
  let leave = () => {}
  let gone = false
  const load = async () => {
    const found = await get(runPath(id))
    drawState(found)
    for (const evaluation of found.evaluations) held.set(evaluation.step, evaluation)
    drawHeld()
    for (const { message, step } of (await get(`${runPath(id)}/events`, { kind: "warning" })).events)
      alarm(step === null ? message : `step ${step}: ${message}`)
    await numbers.load()
    if (gone) return
    charts.build()
    leave = follow(id, numbers.next, (event, data) => {
      if (event === "state") drawState(data)
      else if (event === "step") {
        numbers.add(data)
        step.textContent = step.textContent.replace(/^step \d+/, `step ${data.step}`)
        stale = true
      } else if (event === "evaluation") {
        held.set(data.step, data)
        drawHeld()
      } else if (event === "event" && data.kind === "warning") alarm(data.message)
    })
  }
  const resize = () => charts.resize()
  addEventListener("resize", resize)
  return {
    ready: load(),
    themed: () => charts.build(),
    end() {
      gone = true
      leave()
      clearInterval(timer)
      removeEventListener("resize", resize)
      charts.end()
    },
  }
}

function steeringOf(id) {
  const ask = async (body) => {
    if (token() === "") document.getElementById("token").click()
    say(`${body.action.replace("_", " ")}: asked …`)
    try {
      const { step, message } = await control(id, body)
      say(`${body.action.replace("_", " ")}, after step ${step}: ${message}`)
    } catch (error) {
      say(error.message)
    }
  }
  const rate = el("input", {
    type: "number",
    step: "any",
    min: "0",
    max: "1",
    placeholder: "learning rate",
    "aria-label": "New learning rate",
    size: 8,
  })
  return el(
    "div",
    { class: "row", role: "group", "aria-label": "Steer the run" },
    ...["pause", "resume", "checkpoint", "evaluate", "stop"].map((action) =>
      el("button", { type: "button", "data-action": action, onclick: () => ask({ action }) }, action),
    ),
    rate,
    el(
      "button",
      {
        type: "button",
        onclick: () => rate.value !== "" && ask({ action: "learning_rate", value: Number(rate.value) }),
      },
      "set",
    ),
  )
}

function controlsOf(id, charts) {
  const smoothing = el("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0, id: "smoothing" })
  const log = el("input", { type: "checkbox", id: "log" })
  const others = el(
    "select",
    { "aria-label": "Lay another run over it" },
    el("option", { value: "" }, "compare with …"),
  )
  smoothing.addEventListener("input", () => {
    charts.smoothing = Number(smoothing.value)
    charts.build()
  })
  log.addEventListener("change", () => {
    charts.log = log.checked
    charts.build()
  })
  others.addEventListener("change", async () => {
    const chosen = others.value
    charts.others = []
    if (chosen !== "") {
      const numbers = new Numbers(chosen)
      await numbers.load().catch((error) => say(error.message))
      charts.others = [numbers]
    }
    charts.build()
  })
  get("/api/runs", { limit: 100 })
    .then(({ runs }) =>
      others.append(...runs.filter((each) => each.id !== id).map((each) => el("option", {}, each.id))),
    )
    .catch(() => {})
  return el(
    "div",
    { class: "row" },
    el("label", { for: "smoothing" }, "smoothing"),
    smoothing,
    el("label", {}, log, " log scale"),
    others,
    el("span", { class: "faint wide" }, "drag to zoom, double click to see all"),
  )
}
