// Where a thought is cut: breaks in merged tokens, end tags of any number of tokens, and thoughts without one.
import { expect, test } from "bun:test"
import { segment } from "../../packages/trainer/src/segment.ts"

const cut = (pieces: string[], given: { delimiter?: string; thinkEnd?: string | null } = {}) =>
  segment(
    pieces.map((piece) => new TextEncoder().encode(piece)),
    { delimiter: "\n\n", thinkEnd: "</think>", ...given },
  )

test("a break of its own token", () => {
  expect(cut(["a", "\n\n", "b", "\n\n", "c", "</think>", "x"])).toEqual({
    candidates: [2, 4],
    end: 6,
    closed: true,
  })
})

test.each([".\n\n", ":\n\n", ")\n\n", "?\n\n", "\n\n\n"])("a break merged into %j", (merged) => {
  expect(cut(["a", merged, "b", "</think>"]).candidates).toEqual([2])
})

test("a break spread over two tokens", () => {
  expect(cut(["a.\n", "\n", "b", "</think>"]).candidates).toEqual([2])
})

test("a break and what follows it in one token: the boundary is after the token", () => {
  expect(cut(["a", "\n\nso", "b", "</think>"]).candidates).toEqual([2])
})

test("a run of newlines is one break, and so are two breaks with only blanks between", () => {
  expect(cut(["a", "\n\n", "\n", "b", "</think>"]).candidates).toEqual([3])
  expect(cut(["a", "\n\n", "\n\n", "b", "</think>"]).candidates).toEqual([3])
  expect(cut(["a", "\n\n", "  ", "\n\n", "b", "</think>"]).candidates).toEqual([4])
})

test("a break just before the end tag is not inside the thought", () => {
  expect(cut(["a", "\n\n", "b", "\n\n", "</think>", "x"])).toEqual({ candidates: [2], end: 5, closed: true })
})

test("breaks after the end tag do not count", () => {
  expect(cut(["a", "</think>", "\n\n", "x", "\n\n", "y"])).toEqual({ candidates: [], end: 2, closed: true })
})

test("an end tag of several tokens is whole, and its first token alone ends nothing", () => {
  expect(cut(["a", "</", "b>", "\n\n", "c", "</", "think", ">", "x"])).toEqual({
    candidates: [4],
    end: 8,
    closed: true,
  })
})

test("an end tag merged with what is around it", () => {
  expect(cut(["a", "\n\n", "b\n</", "think>\n", "x"])).toEqual({ candidates: [2], end: 4, closed: true })
})

test("no end tag: the whole completion", () => {
  expect(cut(["a", "\n\n", "b"])).toEqual({ candidates: [2], end: 3, closed: false })
  expect(cut(["a", "\n\n", "b", "</think>"], { thinkEnd: null })).toEqual({
    candidates: [2],
    end: 4,
    closed: false,
  })
})

test("an empty thought has its end, and an empty completion has nothing", () => {
  expect(cut(["</think>", "x"])).toEqual({ candidates: [], end: 1, closed: true })
  expect(cut([])).toEqual({ candidates: [], end: 0, closed: false })
})

test("characters of several bytes, one token each byte", () => {
  const bytes = [..."é\n\né</think>"].flatMap((char) =>
    char === "é"
      ? [...new TextEncoder().encode(char)].map((byte) => Uint8Array.of(byte))
      : [new TextEncoder().encode(char)],
  )
  expect(segment(bytes, { delimiter: "\n\n", thinkEnd: "</think>" })).toMatchObject({ candidates: [4] })
})

test("a delimiter that is not a newline", () => {
  const pieces = ["one", " .", " two", " .", " </think>", " 3"]
  expect(cut(pieces, { delimiter: "." })).toEqual({ candidates: [2], end: 5, closed: true })
})
