// Numbers as people read them.

/** 1.5 MiB, 34 KiB */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  let unit = 0
  let value = n
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** 1:07, 2:03:10 */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  const shown = parts[0]! > 0 ? parts : parts.slice(1)
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, "0"))).join(":")
}

/** 843, 12.3k, 4.5M */
export function count(n: number): string {
  if (n < 1000) return String(Math.round(n))
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)}k`
  return `${(n / 1e6).toFixed(1)}M`
}

export const percent = (share: number) => `${(100 * share).toFixed(1)} %`
