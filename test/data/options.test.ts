// Options: defaults, ranges, and names for whatever is wrong.
import { expect, test } from "bun:test"
import { flag, integer, number, optionalText, readOptions, text } from "@rectify/data/options"

const checks = {
  size: integer(4, 1, 8),
  share: number(0.5, 0, 1),
  loud: flag(false),
  name: text("x"),
  path: optionalText(),
}
const read = (given: Record<string, unknown>) =>
  readOptions<Record<keyof typeof checks, unknown>>("dataset d", given, checks)

test("defaults are filled in, and given values kept", () => {
  expect(read({})).toEqual({ size: 4, share: 0.5, loud: false, name: "x", path: null })
  expect(read({ size: 8, share: 0, loud: true, name: "", path: "p" })).toEqual({
    size: 8,
    share: 0,
    loud: true,
    name: "",
    path: "p",
  })
  expect(read({ size: undefined }).size).toBe(4)
})

test("a value of another kind or out of range is refused with what was expected", () => {
  expect(() => read({ size: 9 })).toThrow("dataset d: expected an integer from 1 to 8 for size, got 9")
  expect(() => read({ size: 1.5 })).toThrow("got 1.5")
  expect(() => read({ share: Number.NaN })).toThrow("expected a number from 0 to 1 for share")
  expect(() => read({ share: "0.5" })).toThrow('got "0.5"')
  expect(() => read({ loud: "yes" })).toThrow("expected true or false for loud")
  expect(() => read({ name: null })).toThrow("expected a text for name, got null")
  expect(() => readOptions("d", { n: -1 }, { n: integer(0, 0) })).toThrow("an integer of at least 0")
})

test("an unknown option is refused with the nearest known", () => {
  expect(() => read({ sise: 3 })).toThrow(
    "unknown option sise, did you mean size? known: size, share, loud, name, path",
  )
  expect(() => read({ temperature: 3 })).toThrow("unknown option temperature known: size")
})
