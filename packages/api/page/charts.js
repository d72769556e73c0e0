// One run's numbers as charts: smoothing, log scale, hover on all at once, zoom, other runs laid over.
import { get, runPath } from "/static/api.js"
import { color, el, show } from "/static/dom.js"

const BUCKETS = 600
const HEIGHT = 190

/** title, and the metrics drawn in it; a name that ends with a slash takes all below it */
const groups = [
  ["Reward", ["reward"]],
  ["Accuracy", ["accuracy"]],
  ["Length (tokens)", ["completions/mean_length"]],
  ["Entropy", ["entropy"]],
  ["KL", ["kl"]],
  ["Clip ratio", ["clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"]],
  ["Gradient norm", ["grad_norm"]],
  ["Learning rate", ["learning_rate"]],
  ["Tokens per second", ["perf/throughput"]],
  ["Seconds by phase", ["timing_s/"]],
  ["Memory (GB)", ["perf/cpu_memory_used_gb", "perf/max_memory_allocated_gb"]],
  ["Process score S, reward r", ["process/score_mean", "process/reward_mean"]],
  ["Surrogate J, first and last", ["process/surrogate_first", "process/surrogate_last"]],
  ["Cut off by the length", ["completions/clipped_ratio"]],
]

/** Columns by metric, from ranges of steps and from the live stream alike. */
export class Numbers {
  constructor(id) {
    this.id = id
    this.columns = new Map()
    this.next = 0
  }

  async load() {
    const { metrics, next } = await get(`${runPath(this.id)}/metrics/buckets`, { buckets: BUCKETS })
    this.columns = new Map(
      Object.entries(metrics).map(([name, { last, mean, min, max }]) => [
        name,
        { x: last, y: mean, min, max },
      ]),
    )
    this.next = next
  }

  /** A step that was done again after a resume takes the place of what came after it. */
  add({ step, metrics }) {
    for (const [name, value] of Object.entries(metrics)) {
      const column = this.columns.get(name) ?? { x: [], y: [], min: [], max: [] }
      this.columns.set(name, column)
      while (column.x.length > 0 && column.x.at(-1) >= step)
        for (const part of Object.values(column)) part.pop()
      column.x.push(step)
      for (const part of [column.y, column.min, column.max]) part.push(value)
    }
  }

  names(wanted) {
    const known = [...this.columns.keys()]
    return wanted.flatMap((name) =>
      name.endsWith("/")
        ? known.filter((each) => each.startsWith(name))
        : known.filter((each) => each === name),
    )
  }
}

export class Charts {
  constructor(numbers, place) {
    this.numbers = numbers
    this.place = place
    this.others = []
    this.smoothing = 0
    this.log = false
    this.plots = []
  }

  build() {
    this.end()
    const cells = groups
      .map(([title, wanted]) => [title, this.numbers.names(wanted)])
      .filter(([, names]) => names.length > 0)
      .map(([title, names]) => this.#figure(title, names))
    this.place.replaceChildren(...cells)
    for (const plot of this.plots) this.#make(plot)
  }

  refresh() {
    const titles = groups.filter(([, wanted]) => this.numbers.names(wanted).length > 0).length
    if (titles !== this.plots.length) return this.build()
    for (const plot of this.plots) {
      const { data } = this.#data(plot.names)
      plot.chart.setData(data, !this.#zoomed(plot))
      this.#caption(plot)
    }
  }

  end() {
    for (const { chart } of this.plots) chart?.destroy()
    this.plots = []
  }

  resize() {
    for (const { chart, box } of this.plots) chart.setSize({ width: box.clientWidth, height: HEIGHT })
  }

  #figure(title, names) {
    const box = el("div", { role: "img" })
    const value = el("span", { class: "number" })
    this.plots.push({ title, names, box, value })
    return el("figure", { "data-chart": title }, el("figcaption", {}, el("strong", {}, title), value), box)
  }

  #zoomed({ chart }) {
    const [x] = chart.data
    return x.length > 0 && (chart.scales.x.min > x[0] || chart.scales.x.max < x.at(-1) - 1)
  }

  #caption({ title, names, box, value }) {
    const last = names.map((name) => show(this.numbers.columns.get(name)?.y.at(-1))).join(" · ")
    value.textContent = last
    box.setAttribute("aria-label", `${title}, now ${last}`)
  }

  #make(plot) {
    const { data, series, bands } = this.#data(plot.names)
    const axis = {
      stroke: color("--faint"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line") },
    }
    plot.chart = new globalThis.uPlot(
      {
        width: plot.box.clientWidth,
        height: HEIGHT,
        scales: { x: { time: false }, y: { distr: this.log ? 3 : 1 } },
        cursor: { sync: { key: "steps" }, drag: { x: true, y: false } },
        series: [{ label: "step" }, ...series],
        bands,
        axes: [axis, { ...axis, size: 56 }],
      },
      data,
      plot.box,
    )
    plot.box.dataset.points = String(data[0].length)
    this.#caption(plot)
  }

  /** Steps of all runs in one column, as uPlot wants them. */
  #data(names) {
    const drawn = [this.numbers, ...this.others].flatMap((numbers, i) =>
      numbers.names(names).map((name) => ({
        label: i === 0 ? name.split("/").at(-1) : `${numbers.id}: ${name.split("/").at(-1)}`,
        dash: i === 0 ? undefined : [6, 4],
        column: numbers.columns.get(name),
      })),
    )
    const x = [...new Set(drawn.flatMap(({ column }) => column.x))].sort((a, b) => a - b)
    const at = new Map(x.map((step, i) => [step, i]))
    const spread = (steps, values) => {
      const whole = Array(x.length).fill(null)
      steps.forEach((step, i) => {
        const value = values[i]
        whole[at.get(step)] = value === null || (this.log && value <= 0) ? null : value
      })
      return whole
    }
    const series = []
    const data = [x]
    const bands = []
    drawn.forEach(({ label, dash, column }, i) => {
      const stroke = color(`--series-${1 + (i % 6)}`)
      data.push(spread(column.x, smooth(column.y, this.smoothing)))
      series.push({ label, stroke, dash, width: 1.5, spanGaps: true, value: (_, value) => show(value) })
      if (drawn.length > 1 || this.smoothing > 0) return
      data.push(spread(column.x, column.max), spread(column.x, column.min))
      const edge = { stroke: "transparent", value: (_, value) => show(value) }
      series.push({ ...edge, label: "max" }, { ...edge, label: "min" })
      bands.push({ series: [2, 3], fill: `${stroke}33` })
    })
    return { data, series, bands }
  }
}

/** An exponential average that starts at the first value and skips gaps. */
export function smooth(values, weight) {
  if (weight === 0) return values
  let last = null
  return values.map((value) => {
    if (value === null) return null
    last = last === null ? value : weight * last + (1 - weight) * value
    return last
  })
}
