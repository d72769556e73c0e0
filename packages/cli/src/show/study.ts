// The table of a study: mean and spread over the seeds, as Markdown, so that it can be pasted where it is needed.

export interface MeanAndSpread {
  mean: number
  /** sample standard deviation; 0 for one run */
  spread: number
}

export interface StudyRow {
  variant: string
  runs: number
  cells: { before: MeanAndSpread; after: MeanAndSpread }[]
}

export function meanAndSpread(values: readonly number[]): MeanAndSpread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, spread: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 }
}

const shown = ({ mean, spread }: MeanAndSpread) => {
  const digits = Math.abs(mean) >= 10 ? 1 : 2
  return `${mean.toFixed(digits)} ± ${spread.toFixed(digits)}`
}

export function studyTable(columns: readonly string[], rows: readonly StudyRow[]): string {
  const heads = columns.map((column) => column.replace(/^measures\./, "").replaceAll("_", " "))
  const start = rows[0]!.cells.map(({ before }) => shown(before))
  const lines = [
    ["variant", ...heads, "runs"],
    ["---", ...heads.map(() => "---"), "---"],
    ["before RL", ...start, String(rows[0]!.runs)],
    ...rows.map(({ variant, cells, runs }) => [
      variant,
      ...cells.map(({ after }) => shown(after)),
      String(runs),
    ]),
  ]
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}
