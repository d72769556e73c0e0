// Command-line overrides: `--process.repro_alpha 0.3` as a source of its own, laid over the file.
import { parse } from "yaml"
import { isObject, type Json, type JsonObject, RecipeError, type Source } from "./source.ts"

/** A dotted key and its text, as typed after the recipe. */
export type Override = readonly [key: string, value: string]

const abbreviations: Record<string, string> = { steps: "max_steps" }

/** `process: none` and `dataset: addition` say the one key that matters. */
export function expandShorthands(value: JsonObject): JsonObject {
  const expanded = { ...value }
  if (typeof expanded.process === "string") expanded.process = { method: expanded.process }
  if (typeof expanded.dataset === "string") expanded.dataset = { name: expanded.dataset }
  if (expanded.warm_start === "none" || expanded.warm_start === false) expanded.warm_start = null
  if (typeof expanded.reward_funcs === "string") expanded.reward_funcs = [expanded.reward_funcs]
  if (expanded.scale_rewards === true) expanded.scale_rewards = "group"
  if (expanded.scale_rewards === false) expanded.scale_rewards = "none"
  return expanded
}

function parseValue(key: string, text: string): Json {
  try {
    return parse(text) as Json
  } catch {
    throw new RecipeError(`--${key}: expected a YAML value, got ${text}`)
  }
}

export function overrideSource(overrides: readonly Override[]): Source {
  const value: JsonObject = {}
  for (const [typed, text] of overrides) {
    const [first = "", ...rest] = typed.split(".")
    const path = [abbreviations[first] ?? first, ...rest]
    let place = value
    for (const key of path.slice(0, -1)) {
      const next = place[key]
      place[key] = isObject(next)
        ? next
        : next === undefined
          ? {}
          : (expandShorthands({ [key]: next })[key] as Json)
      place = place[key] as JsonObject
      if (!isObject(place))
        throw new RecipeError(
          `--${typed}: expected a block before the last dot, got ${JSON.stringify(place)}`,
        )
    }
    const last = path.at(-1)!
    const parsed = expandShorthands({ [last]: parseValue(typed, text) })[last]!
    place[last] = isObject(parsed) && isObject(place[last]) ? { ...place[last], ...parsed } : parsed
  }
  return {
    value,
    position: (path) => {
      const dotted = path.join(".")
      const hit = overrides.find(([key]) => {
        const known = [abbreviations[key] ?? key][0]!
        return known === dotted || known.startsWith(`${dotted}.`) || dotted.startsWith(`${known}.`)
      })
      return hit && `--${hit[0]}`
    },
  }
}
