// Reads a file of JSON objects, one a line, and says in which line something is wrong.
import { existsSync } from "node:fs"

export type JsonRow = Record<string, unknown>

export interface NumberedRow {
  /** counted from 1 */
  line: number
  row: JsonRow
}

/** Empty lines are skipped. */
export async function readJsonl(path: string): Promise<NumberedRow[]> {
  if (!existsSync(path)) throw new Error(`${path}: expected a file of JSON lines, which is not there`)
  const rows: NumberedRow[] = []
  const lines = (await Bun.file(path).text()).split("\n")
  for (const [index, written] of lines.entries()) {
    if (written.trim() === "") continue
    const where = `${path}:${index + 1}`
    let row: unknown
    try {
      row = JSON.parse(written)
    } catch (error) {
      throw new Error(`${where}: expected a JSON object, got ${(error as Error).message}`, { cause: error })
    }
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new Error(`${where}: expected a JSON object, got ${written.slice(0, 60)}`)
    rows.push({ line: index + 1, row: row as JsonRow })
  }
  if (rows.length === 0) throw new Error(`${path}: expected at least one row, got an empty file`)
  return rows
}
