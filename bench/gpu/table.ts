// bench:gpu's last word: ours beside each peer's and beside what was published, as a table that a terminal and a log can show.
import { published } from "./published.ts"

export interface Measured {
  case: string
  value: number
  unit: string
  /** whose: absent, ours */
  by?: string
}
export interface Failed {
  case: string
  failed: string
  by?: string
}
export type Result = Measured | Failed

export const isFailed = (result: Result): result is Failed => "failed" in result

export interface Row {
  case: string
  unit: string
  ours: number | null
  by: string
  theirs: number | null
  /** above 1: ours is better */
  ratio: number | null
  published: string
}

const lessIsBetter = new Set(["ms", "us", "MiB"])

/** Ours in order, a row for each peer of a case; then what peers alone have measured. */
export function compare(results: Result[]): Row[] {
  const measured = results.filter((result): result is Measured => !isFailed(result))
  const ours = measured.filter(({ by }) => !by)
  const theirs = measured.filter(({ by }) => by)
  const names = [...new Set([...ours, ...theirs].map((result) => result.case))]
  return names.flatMap((name) => {
    const own = ours.find((result) => result.case === name)
    const peers = theirs.filter((result) => result.case === name)
    const row = (peer?: Measured): Row => {
      const [a, b] = [own?.value ?? null, peer?.value ?? null]
      const unit = (own ?? peer)!.unit
      const ratio = a !== null && b !== null ? (lessIsBetter.has(unit) ? b / a : a / b) : null
      return { case: name, unit, ours: a, by: peer?.by ?? "", theirs: b, ratio, published: published(name) }
    }
    return peers.length > 0 ? peers.map(row) : [row()]
  })
}

/** 1,234 and 0.0123: four digits that count. */
export const figure = (value: number | null): string =>
  value === null ? "" : value.toLocaleString("en-US", { maximumSignificantDigits: 4 })

/** A Markdown table, its columns aligned so that it reads as it is. */
export function table(rows: Row[]): string {
  const head = ["case", "unit", "ours", "peer", "theirs", "ratio", "published, other hardware"]
  const body = rows.map((row, i) => {
    const again = rows[i - 1]?.case === row.case
    return [
      again ? "" : row.case,
      row.unit,
      figure(row.ours),
      row.by,
      figure(row.theirs),
      row.ratio === null ? "" : `${row.ratio.toPrecision(3)}x`,
      again ? "" : row.published,
    ]
  })
  const right = [false, false, true, false, true, true, false]
  const width = head.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i]!.length)))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, i) => (right[i] ? cell.padStart(width[i]!) : cell.padEnd(width[i]!))).join(" | ")} |`
  const rule = `|${width.map((w, i) => (right[i] ? `${"-".repeat(w + 1)}:` : "-".repeat(w + 2))).join("|")}|`
  return [line(head), rule, ...body.map(line)].join("\n")
}
