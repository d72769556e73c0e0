// What makes a recipe wrong: unknown names, wrong types and ranges, and keys that contradict each other.

import { nearest } from "@rectify/data/nearest"
import type { TSchema } from "@sinclair/typebox"
import { Value } from "@sinclair/typebox/value"
import { isSwitchedOff, renamed, unsupportedReason } from "./names.ts"
import { type RecipeKeys, recipeSchema } from "./schema.ts"
import {
  isObject,
  type Json,
  type JsonObject,
  type Path,
  placeOf,
  RecipeError,
  type Source,
} from "./source.ts"

/** The object schema behind a key, through `| null`. */
function objectSchema(schema: TSchema | undefined): TSchema | undefined {
  if (schema?.type === "object") return schema
  return (schema?.anyOf as TSchema[] | undefined)?.find((option) => option.type === "object")
}

const closed = (schema: TSchema) => schema.additionalProperties === false

/** Refuses names nobody knows, and drops switched-off keys of features we lack. Returns what is left. */
export function checkNames(
  value: JsonObject,
  source: Source,
  schema: TSchema = recipeSchema,
  path: Path = [],
): JsonObject {
  const known = schema.properties as Record<string, TSchema>
  const kept: JsonObject = {}
  for (const [key, child] of Object.entries(value)) {
    const here = [...path, key]
    const property = known[key]
    if (!property) {
      refuseName(here, child, source, Object.keys(known))
      continue
    }
    kept[key] = checkChild(child, source, property, here)
  }
  return kept
}

function checkChild(child: Json, source: Source, property: TSchema, here: Path): Json {
  const inner = objectSchema(property)
  if (isObject(child) && inner && closed(inner)) return checkNames(child, source, inner, here)
  const items = property.items as TSchema | undefined
  if (Array.isArray(child) && items && closed(items))
    return child.map((item, index) =>
      isObject(item) ? checkNames(item, source, items, [...here, index]) : item,
    )
  return child
}

function refuseName(path: Path, value: Json, source: Source, known: string[]): void {
  const dotted = path.join(".")
  const key = String(path.at(-1))
  const where = `${placeOf([source], path)}: ${dotted}`
  const reason = unsupportedReason(key)
  if (reason && isSwitchedOff(value)) return
  if (reason) throw new RecipeError(`${where}: not supported: ${reason}`)
  const now = Object.hasOwn(renamed, key) ? renamed[key] : lastOfDotted(path, value)
  if (now && now !== dotted) throw new RecipeError(`${where}: unknown key; here it is ${now}`)
  const near = nearest(key, known)
  throw new RecipeError(
    `${where}: unknown key; ${near ? `did you mean ${[...path.slice(0, -1), near].join(".")}?` : `known: ${known.join(", ")}`}`,
  )
}

/** veRL writes actor_rollout_ref.actor.clip_ratio_low: the last name that was renamed tells what is meant. */
function lastOfDotted(path: Path, value: Json): string | undefined {
  if (!isObject(value) || path.length > 4) return undefined
  for (const [key, child] of Object.entries(value)) {
    const now = Object.hasOwn(renamed, key)
      ? `${key} became ${renamed[key]}`
      : lastOfDotted([...path, key], child)
    if (now) return now
  }
}

/** Fills defaults in, then refuses what has the wrong type or range. */
export function checkTypes(value: JsonObject, sources: readonly Source[]): RecipeKeys {
  const filled = Value.Default(recipeSchema, structuredClone(value))
  const error = firstError(recipeSchema, filled)
  if (!error) return filled as RecipeKeys
  const path = error.path.split("/").slice(1)
  throw new RecipeError(
    `${placeOf(sources, path)}: ${path.join(".")}: expected ${error.expected}, got ${show(error.value)}`,
  )
}

function firstError(
  schema: TSchema,
  value: unknown,
  path = "",
): { path: string; expected: string; value: unknown } | undefined {
  const valid: boolean = Value.Check(schema, value)
  if (valid) return undefined
  const inner = objectSchema(schema)
  if (inner && isObject(value)) {
    for (const [key, property] of Object.entries((inner.properties ?? {}) as Record<string, TSchema>)) {
      const error = firstError(property, value[key], `${path}/${key}`)
      if (error) return error
    }
  }
  if (schema.type === "array" && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const error = firstError(schema.items as TSchema, item, `${path}/${index}`)
      if (error) return error
    }
  }
  return { path, expected: describe(schema), value }
}

function describe(schema: TSchema): string {
  const options = schema.anyOf as TSchema[] | undefined
  if (options?.every((option) => "const" in option))
    return `one of ${options.map((option) => option.const).join(", ")}`
  if (options) return options.map(describe).join(" or ")
  if (schema.pattern) return `text with ${String(schema.pattern).replaceAll("\\", "")}`
  const bounds = [
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.exclusiveMinimum !== undefined && `above ${schema.exclusiveMinimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.exclusiveMaximum !== undefined && `below ${schema.exclusiveMaximum}`,
    schema.minItems !== undefined && `at least ${schema.minItems} of them`,
    schema.minLength !== undefined && "not empty",
  ].filter(Boolean)
  const names: Record<string, string> = {
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
    string: "text",
    array: "a list",
    object: "a block of keys",
    null: "null",
  }
  return [names[String(schema.type)] ?? String(schema.type), ...bounds].join(", ")
}

const show = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80))
