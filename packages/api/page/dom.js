// Small helpers of the page: elements without HTML strings, numbers and times as people read them.
export function el(tag, given = {}, ...children) {
  return fill(document.createElement(tag), given, children)
}

export function svg(tag, given = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), given, children)
}

function fill(made, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false && value !== null)
      made.setAttribute(name, value === true ? "" : value)
  }
  made.append(
    ...children
      .flat()
      .filter((child) => child !== null && child !== undefined && child !== false && child !== ""),
  )
  return made
}

const missing = (value) => value === null || value === undefined || Number.isNaN(value)

/** Four digits, thousands and tiny numbers in the short forms that axes use too. */
export function show(value) {
  if (missing(value)) return "–"
  const size = Math.abs(value)
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`
  if (size > 0 && size < 1e-3)
    return value
      .toExponential(2)
      .replace(/\.?0*e-/, "e−")
      .replace("-", "−")
  return String(Number(value.toPrecision(4))).replace("-", "−")
}

export const signed = (value) => (missing(value) ? "–" : `${value > 0 ? "+" : ""}${show(value)}`)

export const ago = (time) => {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000))
  return seconds < 129_600 ? `${span(seconds)} ago` : new Date(time).toLocaleDateString()
}

export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return seconds < 129_600 ? `${Math.round(seconds / 360) / 10} h` : `${Math.round(seconds / 8640) / 10} d`
}

let quiet
/** Said to eyes and screen readers alike, then gone. */
export const say = (text, keep = false) => {
  clearTimeout(quiet)
  document.getElementById("said").textContent = text
  if (text !== "" && !keep) quiet = setTimeout(() => say(""), 8_000)
}

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** A line of values in a small box; `told` is what a screen reader says of it. */
export function sparkline(values, told) {
  const known = values.map((value, i) => [i, value]).filter(([, value]) => !missing(value))
  const low = Math.min(...known.map(([, value]) => value))
  const high = Math.max(...known.map(([, value]) => value))
  const at = ([i, value]) =>
    `${((100 * i) / Math.max(1, values.length - 1)).toFixed(1)} ${(22 - (20 * (value - low)) / (high - low || 1)).toFixed(1)}`
  const line = known.length < 2 ? "" : `M${known.map(at).join("L")}`
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": told },
    line && svg("path", { class: "area", d: `${line}L100 24L0 24Z` }),
    svg("path", { d: line, "vector-effect": "non-scaling-stroke" }),
  )
}

/** `rows`: as many tr. */
export function table(names, ...rows) {
  const head = names.map((name) => el("th", { scope: "col" }, name))
  return el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, ...rows))
}

/** A part of the page that scrolls by itself, by keys too. */
export const scrolling = (label, ...children) =>
  el("section", { class: "panel scroll", tabindex: 0, role: "region", "aria-label": label }, ...children)

export const empty = (title, ...more) => el("section", { class: "panel empty" }, el("h2", {}, title), ...more)
