// Bytes per token for each kind of decoder, from hand-worked cases.
import { expect, test } from "bun:test"
import { tokenBytes } from "@rectify/data/token-bytes"

const none = new Set<string>()
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

test("byte-level: the alphabet stands for all 256 bytes, each once", () => {
  const bytes = tokenBytes({ type: "ByteLevel" }, none)
  const alphabet = Array.from({ length: 0x144 }, (_, i) => String.fromCodePoint(i)).filter(
    (c) => bytes(c).length === 1 && (c > " " || c > "ÿ"),
  )
  const seen = new Set(alphabet.map((c) => bytes(c)[0]))
  expect(seen.size).toBe(256)
  expect(text(bytes("Ġhello"))).toBe(" hello")
  expect(text(bytes("Ċ"))).toBe("\n")
  expect([...bytes("ðŁĻĤ")]).toEqual([0xf0, 0x9f, 0x99, 0x82])
})

test("added tokens stand for themselves", () => {
  const bytes = tokenBytes({ type: "Sequence", decoders: [{ type: "ByteLevel" }] }, new Set(["Ġ"]))
  expect(text(bytes("Ġ"))).toBe("Ġ")
})

test("sentencepiece: U+2581 is a space, <0xXX> a byte", () => {
  const replace = { type: "Replace", pattern: { String: "▁" }, content: " " }
  const bytes = tokenBytes({ type: "Sequence", decoders: [replace, { type: "ByteFallback" }] }, none)
  expect(text(bytes("▁the"))).toBe(" the")
  expect([...bytes("<0xE4>")]).toEqual([0xe4])
  expect(text(tokenBytes({ type: "Metaspace", replacement: "▁" }, none)("▁the"))).toBe(" the")
  expect(text(tokenBytes(replace, none)("<0xE4>"))).toBe("<0xE4>")
})

test("word pieces, word endings, and words without a decoder", () => {
  const pieces = tokenBytes({ type: "WordPiece", prefix: "##" }, none)
  expect([text(pieces("##ing")), text(pieces("go"))]).toEqual(["ing", " go"])
  expect(text(tokenBytes({ type: "BPEDecoder", suffix: "</w>" }, none)("go</w>"))).toBe("go ")
  expect(text(tokenBytes(null, none)("ones"))).toBe(" ones")
})
