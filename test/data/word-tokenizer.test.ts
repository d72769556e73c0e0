// A tokenizer of whole words, opened by the same path as any other.
import { expect, test } from "bun:test"
import { wordTokenizer } from "@rectify/data"

test("words get ids in order, after the three special tokens", () => {
  const tokenizer = wordTokenizer(["one", "two"])
  expect([...tokenizer.encode("two  one <eos>")]).toEqual([4, 3, 2])
  expect(tokenizer.decode([4, 3, 2])).toBe("two one <eos>")
  expect(tokenizer.decode([4, 3, 2], { skipSpecialTokens: true })).toBe("two one")
  expect([tokenizer.size, tokenizer.padTokenId, tokenizer.eosTokenIds]).toEqual([5, 1, [2]])
})

test("other words are unknown, not lost", () => {
  expect([...wordTokenizer(["one"]).encode("one three")]).toEqual([3, 0])
})

test("words that could not be told apart are refused", () => {
  for (const words of [["a", "a"], ["a b"], [""], ["<eos>"]])
    expect(() => wordTokenizer(words)).toThrow("expected distinct words without spaces")
})
