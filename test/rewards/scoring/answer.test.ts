// What counts as the answer, and which answers are the same: tables by hand, and exact fractions against big integers.
import { expect, test } from "bun:test"
import { finalAnswer, lastBoxed, normalize, readFraction, sameAnswer } from "@rectify/rewards"
import fc from "fast-check"

const found = (text: string) => finalAnswer(text, "Q", "<think>", "</think>")

test("the last boxed, else a lone number, else the last number, else all", () => {
  const cases: [string, string][] = [
    ["\\boxed{1} then \\boxed{\\frac{1}{2}} and 7", "\\frac{1}{2}"],
    ["1 4 8 5", "1 4 8 5"],
    [" -1 2\n", "-1 2"],
    ["From 3 to 1,200.50 dollars", "1,200.50"],
    ["between 3 / 4 and so", "3 / 4"],
    ["it is blue", "it is blue"],
    ["<think> 5 </think> 6 or 7", "7"],
    ["<think> 5 </think> 6 </think> eight", "eight"],
    ["unclosed \\boxed{12", "12"],
  ]
  for (const [text, answer] of cases) expect(found(text)).toEqual({ text: answer })
})

test("boxed content with braces inside; none when it never closes", () => {
  expect(lastBoxed("\\boxed{a_{1}^{2}} x")).toBe("a_{1}^{2}")
  expect(lastBoxed("\\boxed{}")).toBe("")
  expect(lastBoxed("\\boxed{a{")).toBeNull()
  expect(lastBoxed("none")).toBeNull()
})

test("same and not the same", () => {
  const same: [string, string][] = [
    ["1 4 8 5", "1485"],
    ["$1,485$", "1485."],
    ["0.50", "1/2"],
    ["\\frac{1}{2}", "2 / 4"],
    ["-\\dfrac{3}{6}", "-.5"],
    ["007", "7"],
    ["+3", "3"],
    ["\\text{blue}", "blue"],
    ["123456789012345678901234567890", "0123456789012345678901234567890"],
  ]
  for (const [a, b] of same) expect([a, b, sameAnswer(a, b)]).toEqual([a, b, true])
  const other: [string, string][] = [
    ["1485", "14850"],
    ["-1", "1"],
    ["1/0", "2/0"],
    ["0.333", "1/3"],
    ["blue", "Blue"],
    ["", "0"],
    [".", "0"],
    ["1,48", "148"],
    ["123456789012345678901234567890", "123456789012345678901234567891"],
  ]
  for (const [a, b] of other) expect([a, b, sameAnswer(a, b)]).toEqual([a, b, false])
})

test("fractions are exact", () => {
  const integer = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
  const natural = fc.bigInt({ min: 1n, max: 10n ** 20n })
  fc.assert(
    fc.property(integer, natural, natural, (top, bottom, factor) => {
      expect(sameAnswer(`${top}/${bottom}`, `${top * factor}/${bottom * factor}`)).toBe(true)
      expect(sameAnswer(`${top}/${bottom}`, `${top + 1n}/${bottom}`)).toBe(false)
      expect(sameAnswer(`${top}/${bottom}`, `\\frac{${top}}{${bottom}}`)).toBe(true)
    }),
  )
  expect(readFraction("12.050")).toEqual({ top: 12050n, bottom: 1000n })
  expect(readFraction("1/0")).toBeNull()
})

test("any text is read without a fault", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      expect(sameAnswer(a, a)).toBe(true)
      expect(sameAnswer(a, b)).toBe(sameAnswer(b, a))
      expect(normalize(normalize(a)).length).toBeLessThanOrEqual(a.length)
      found(a)
    }),
  )
})
