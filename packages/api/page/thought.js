// The thought trajectory: each segment tinted by what it earned, and J and S along the text beside it.
import { color, el, show } from "/static/dom.js"

const HEIGHT = 320
const FAINTEST = 0.08
const DARKEST = 0.45

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

export function thought(text, points) {
  const most = Math.max(...points.slice(1).map(({ reward }) => Math.abs(reward ?? 0)), 1e-9)
  return segments(text, points).map(({ text: part, point, index }) => {
    if (point === undefined) return el("span", {}, part)
    const share = Math.abs(point.reward ?? 0) / most
    const tint = `rgba(${color(point.reward < 0 ? "--bad" : "--good")}, ${FAINTEST + (DARKEST - FAINTEST) * share})`
    const told = `J ${show(point.surrogate)}, S ${show(point.score)}, r ${show(point.reward)}`
    return el(
      "span",
      { class: "segment", style: `background:${tint}`, tabindex: 0, title: told, "data-point": index },
      part,
      el("sub", { "aria-label": told }, `${point.reward > 0 ? "+" : ""}${show(point.reward)}`),
    )
  })
}

export function trajectory(place, points, main) {
  const x = points.map(({ position }) => position)
  const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 } }
  const line = (label, name, scale) => ({
    label,
    scale,
    stroke: color(name),
    width: 2,
    points: { show: true },
    value: (_, value) => show(value),
  })
  const spans = () => main.querySelectorAll("[data-point]")
  const chart = new globalThis.uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      scales: { x: { time: false } },
      series: [
        { label: "token" },
        line("J", "--series-1", "y"),
        line("S", "--series-2", "s"),
        line("r", "--series-3", "s"),
      ],
      axes: [
        axis,
        { ...axis, label: "J", size: 56 },
        { ...axis, scale: "s", side: 1, label: "S, r", size: 56, grid: { show: false } },
      ],
      hooks: {
        setCursor: [
          ({ cursor }) => {
            for (const span of spans())
              span.classList.toggle("lit", Number(span.dataset.point) === cursor.idx)
          },
        ],
      },
    },
    [
      x,
      points.map(({ surrogate }) => surrogate),
      points.map(({ score }, i) => (i === 0 ? null : score)),
      points.map(({ reward }, i) => (i === 0 ? null : reward)),
    ],
    place,
  )
  for (const span of spans())
    for (const event of ["mouseenter", "focus"])
      span.addEventListener(event, () =>
        chart.setCursor({ left: chart.valToPos(x[Number(span.dataset.point)], "x"), top: 10 }),
      )
  return chart
}
