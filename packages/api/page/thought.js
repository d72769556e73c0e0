// The thought trajectory: each segment tinted by what it earned, and J, S and r along the thought beside the text.
import { color, el, show, signed, table } from "/static/dom.js"

const HEIGHT = 300
const FAINTEST = 0.08
const DARKEST = 0.5
/** r this small, beside the largest of the thought, is idle */
const IDLE = 0.03

/** Segments end at the points; what follows the last point earned nothing. */
export function segments(text, points) {
  const cut = []
  for (let i = 1; i < points.length; i++)
    cut.push({
      text: text.slice(points[i - 1].offset ?? 0, points[i].offset ?? 0),
      point: points[i],
      index: i,
    })
  const head = text.slice(0, points[0]?.offset ?? 0)
  const tail = text.slice(points.at(-1)?.offset ?? 0)
  return [{ text: head }, ...cut, { text: tail }].filter((segment) => segment.text !== "")
}

export function tint(r, most) {
  const share = Math.abs(r ?? 0) / most
  if (share < IDLE) return "transparent"
  return `rgba(${color(r < 0 ? "--bad" : "--good")}, ${(FAINTEST + (DARKEST - FAINTEST) * share).toFixed(3)})`
}

const mostOf = (points) => Math.max(...points.slice(1).map(({ reward }) => Math.abs(reward ?? 0)), 1e-9)
export function countOf(points) {
  const most = mostOf(points)
  const shares = points.slice(1).map(({ reward }) => (reward ?? 0) / most)
  const idle = shares.filter((share) => Math.abs(share) < IDLE).length
  return { idle, harmful: shares.filter((share) => share <= -IDLE).length }
}

const told = ({ surrogate, score, reward }) => `J ${show(surrogate)}, S ${show(score)}, r ${signed(reward)}`

export function thought(text, points) {
  const most = mostOf(points)
  return segments(text, points).map(({ text: part, point, index }) => {
    if (point === undefined) return el("span", {}, part)
    const idle = Math.abs(point.reward ?? 0) < IDLE * most
    return el(
      "span",
      {
        class: idle ? "segment idle" : "segment",
        style: `background:${tint(point.reward, most)}`,
        tabindex: 0,
        role: "note",
        "aria-label": `${part.trim()}: ${told(point)}`,
        title: told(point),
        "data-point": index,
      },
      part,
      el("small", { "aria-hidden": "true" }, signed(Number((point.reward ?? 0).toFixed(2)))),
    )
  })
}

/** The same numbers as a table, for who reads rather than looks. */
export function pointsTable(text, points) {
  const parts = new Map(segments(text, points).map(({ text: part, index }) => [index, part]))
  return el(
    "details",
    { class: "panel scroll" },
    el("summary", {}, "The points as a table"),
    table(
      ["token", "J", "S", "r", "segment"],
      points.map(({ position, surrogate, score, reward }, i) =>
        el(
          "tr",
          {},
          [position, show(surrogate), i === 0 ? "" : show(score), i === 0 ? "" : signed(reward)].map(
            (value) => el("td", { class: "number" }, String(value)),
          ),
          el("td", { class: "muted" }, (parts.get(i) ?? "").trim()),
        ),
      ),
    ),
  )
}

export function trajectory(place, points, main) {
  const x = points.map(({ position }) => position)
  const columns = [
    points.map(({ surrogate }) => surrogate),
    points.map(({ score }, i) => (i === 0 ? null : score)),
    points.map(({ reward }, i) => (i === 0 ? null : reward)),
  ]
  const names = ["J", "S", "r"]
  const strokes = ["--series-1", "--series-2"].map(color)
  const axis = {
    stroke: color("--muted"),
    font: `11px ${color("--sans")}`,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    values: (_, all) => all.map(show),
  }
  const legend = document.getElementById("trajectory-legend")
  const spans = () => main.querySelectorAll("[data-point]")
  const read = (idx) => {
    const at = idx ?? points.length - 1
    for (const span of spans())
      span.classList.toggle("lit", idx !== null && Number(span.dataset.point) === idx)
    legend?.replaceChildren(
      el("span", {}, `token ${x[at]}`),
      ...names.map((name, i) =>
        el(
          "span",
          {},
          el("i", { class: "swatch", style: `background:${strokes[i] ?? `rgb(${color("--good")})`}` }),
          name,
          el("b", {}, show(columns[i][at])),
        ),
      ),
    )
  }
  const line = (scale, stroke) => ({ scale, stroke, width: 2, points: { show: true, size: 6, fill: stroke } })
  const chart = new globalThis.uPlot(
    {
      width: Math.max(200, place.clientWidth),
      height: HEIGHT,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false },
        s: { range: (_, low, high) => [Math.min(-0.1, low), Math.max(1, high)] },
      },
      cursor: { drag: { x: false, y: false } },
      series: [
        {},
        line("y", strokes[0]),
        line("s", strokes[1]),
        { scale: "s", stroke: "transparent", points: { show: false } },
      ],
      axes: [
        { ...axis, size: 26, gap: 4 },
        { ...axis, scale: "y", size: 46, stroke: strokes[0] },
        { ...axis, scale: "s", side: 1, size: 40, stroke: strokes[1], grid: { show: false } },
      ],
      hooks: {
        setCursor: [({ cursor }) => read(cursor.left < 0 ? null : cursor.idx)],
        drawAxes: [(chart) => bars(chart, points)],
      },
    },
    [x, ...columns],
    place,
  )
  read(null)
  const at = (i) => chart.setCursor({ left: chart.valToPos(x[i], "x"), top: 10 })
  for (const span of spans()) {
    for (const event of ["mouseenter", "focus"])
      span.addEventListener(event, () => at(Number(span.dataset.point)))
    for (const event of ["mouseleave", "blur"])
      span.addEventListener(event, () => chart.setCursor({ left: -10, top: -10 }))
  }
  return chart
}

/** r as a bar over its segment, from zero of the right axis. */
function bars(chart, points) {
  const { ctx } = chart
  const most = mostOf(points)
  const zero = chart.valToPos(0, "s", true)
  ctx.save()
  for (let i = 1; i < points.length; i++) {
    const [from, to] = [points[i - 1].position, points[i].position].map((at) => chart.valToPos(at, "x", true))
    const top = chart.valToPos(points[i].reward ?? 0, "s", true)
    ctx.fillStyle = tint(points[i].reward, most)
    ctx.fillRect(from + 1, Math.min(zero, top), Math.max(1, to - from - 2), Math.abs(top - zero))
  }
  ctx.restore()
}
