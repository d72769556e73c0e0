// The 38 words: distinct, and enough for everything that is ever written.
import { expect, test } from "bun:test"
import { openDataset } from "@rectify/data"
import { words } from "@rectify/data/addition/words"

test("38 with the three special tokens", () => {
  expect(new Set(words).size).toBe(35)
  expect(words.length).toBe(35)
})

test("prompts and demonstrations use these words and all of them", async () => {
  const dataset = await openDataset("column-addition")
  const used = new Set<string>()
  for (let index = 0; index < 500; index++) {
    const { prompt, completion } = dataset.demonstration!(index)
    for (const word of `${prompt} ${completion}`.split(" ")) used.add(word)
  }
  expect([...used].sort()).toEqual([...words].sort())
})
