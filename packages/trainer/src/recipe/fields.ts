// The kinds of values a recipe's keys take, each with its default and meaning.
import { type TLiteral, type TNull, type TSchema, type TUnion, type TUnsafe, Type } from "@sinclair/typebox"

type Range = { minimum?: number; maximum?: number; exclusiveMinimum?: number; exclusiveMaximum?: number }

export const positive: Range = { exclusiveMinimum: 0 }
export const share: Range = { minimum: 0, maximum: 1 }
export const below1: Range = { minimum: 0, exclusiveMaximum: 1 }

export const number = (fallback: number, description: string, range: Range = {}) =>
  Type.Number({ default: fallback, description, ...range })

export const integer = (fallback: number, description: string, range: Range = {}) =>
  Type.Integer({ default: fallback, description, ...range })

export const flag = (fallback: boolean, description: string) =>
  Type.Boolean({ default: fallback, description })

export const nullable = <T extends TSchema>(schema: T, description: string): TUnion<[T, TNull]> =>
  Type.Union([schema, Type.Null()], { default: null, description })

/** One of a few words. */
export const words = <const T extends string>(choices: readonly T[]): TUnsafe<T> =>
  Type.Unsafe<T>(Type.Union(choices.map((word): TLiteral => Type.Literal(word))))

export const choice = <const T extends string>(
  choices: readonly T[],
  fallback: T,
  description: string,
): TUnsafe<T> => ({
  ...words(choices),
  default: fallback,
  description,
})
