// Small helpers of the page: elements without HTML strings, numbers as people read them.
export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value)
  }
  made.append(...children.filter((child) => child !== null && child !== undefined))
  return made
}

export const show = (value) =>
  value === null || value === undefined || Number.isNaN(value)
    ? "–"
    : String(Number(Number(value).toPrecision(4)))

export const ago = (time) => {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000))
  if (seconds < 90) return `${seconds} s ago`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h ago` : new Date(time).toLocaleDateString()
}

export const say = (text) => {
  document.getElementById("said").textContent = text
}

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
