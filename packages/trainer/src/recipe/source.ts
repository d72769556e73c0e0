// One recipe file as it was written: its values, and the line and column of each, for error messages.
import { dirname, resolve } from "node:path"
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml"

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }
export type Path = readonly (string | number)[]

/** The recipe is at fault, not the program: commands exit with 2. */
export class RecipeError extends Error {
  override name = "RecipeError"
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export interface Source {
  value: JsonObject
  /** "recipes/quickstart.yaml:3:1", or undefined when the path is not in this file */
  position(path: Path): string | undefined
}

/** Where a value came from, newest source first; a default has no place of its own. */
export function placeOf(sources: readonly Source[], path: Path): string {
  for (const source of sources) {
    const position = source.position(path)
    if (position) return position
  }
  return "recipe"
}

export function parseSource(text: string, where: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const error = document.errors[0]
  if (error) {
    const at = error.linePos?.[0]
    throw new RecipeError(
      `${where}:${at?.line ?? 1}:${at?.col ?? 1}: expected YAML, ${error.message.split("\n")[0]!.replace(/ at line .*/, "")}`,
    )
  }
  const value = document.toJS() as Json
  if (value !== null && !isObject(value))
    throw new RecipeError(`${where}:1:1: expected keys and values, got ${JSON.stringify(value).slice(0, 60)}`)
  const position = (path: Path) => {
    let node: unknown = document.contents
    let range: readonly number[] | undefined
    for (const key of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
        if (!pair) return undefined
        range = isNode(pair.key) ? pair.key.range! : undefined
        node = pair.value
      } else {
        const child = document.getIn(path.slice(0, path.indexOf(key) + 1), true)
        if (!isNode(child)) return undefined
        range = child.range!
        node = child
      }
    }
    if (!range) return undefined
    const { line, col } = lines.linePos(range[0]!)
    return `${where}:${line}:${col}`
  }
  return { value: value ?? {}, position }
}

/** The file and those it `extends`, newest first. */
export async function readSources(file: string, seen: string[] = []): Promise<Source[]> {
  const absolute = resolve(file)
  if (seen.includes(absolute)) throw new RecipeError(`${file}: extends itself through ${seen.join(" -> ")}`)
  const handle = Bun.file(absolute)
  if (!(await handle.exists()))
    throw new RecipeError(`recipe: expected a YAML file, got ${file}, which does not exist`)
  const source = parseSource(await handle.text(), file)
  const base = source.value.extends
  if (base === undefined) return [source]
  if (typeof base !== "string")
    throw new RecipeError(
      `${source.position(["extends"])}: extends: expected a path, got ${JSON.stringify(base)}`,
    )
  delete source.value.extends
  return [source, ...(await readSources(resolve(dirname(absolute), base), [...seen, absolute]))]
}

/** Objects merge key by key; anything else, arrays too, is replaced. */
export function overlay(base: Json, top: Json): Json {
  if (!isObject(base) || !isObject(top)) return top
  const merged: JsonObject = { ...base }
  for (const [key, value] of Object.entries(top))
    merged[key] = key in base ? overlay(base[key]!, value) : value
  return merged
}
