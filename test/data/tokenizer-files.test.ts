// Which of a folder's files make a tokenizer, and how broken ones are named.
import { expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadTokenizerFiles, readTokenizerFiles, saveTokenizerFiles } from "@rectify/data/tokenizer-files"

const folder = () => mkdtempSync(join(tmpdir(), "rectify-files-"))

test("the chat template: its own file first, then the config's text or its default of several", () => {
  const config = (value: unknown) => ({ "tokenizer_config.json": JSON.stringify(value) })
  expect(readTokenizerFiles("x", config({})).chatTemplate).toBe(null)
  expect(readTokenizerFiles("x", config({ chat_template: "A" })).chatTemplate).toBe("A")
  const named = [
    { name: "tool", template: "T" },
    { name: "default", template: "D" },
  ]
  expect(readTokenizerFiles("x", config({ chat_template: named })).chatTemplate).toBe("D")
  expect(
    readTokenizerFiles("x", { ...config({ chat_template: "A" }), "chat_template.jinja": "J" }).chatTemplate,
  ).toBe("J")
})

test("a broken file is named, with what is wrong in it", async () => {
  const dir = folder()
  writeFileSync(join(dir, "tokenizer.json"), '{"model": ')
  await expect(loadTokenizerFiles(dir)).rejects.toThrow(/tokenizer\.json: expected JSON, got /)
  writeFileSync(join(dir, "tokenizer.json"), "[1]")
  await expect(loadTokenizerFiles(dir)).rejects.toThrow("tokenizer.json: expected a JSON object, got [1]")
})

test("files are written back byte for byte, and no others", async () => {
  const [from, to] = [folder(), folder()]
  const texts = { "tokenizer.json": '{ "model":{}}\n\n', "generation_config.json": '{"eos_token_id": [3,4]}' }
  for (const [name, text] of Object.entries({ ...texts, "config.json": "{}" }))
    writeFileSync(join(from, name), text)
  const files = await loadTokenizerFiles(from)
  expect(files.generation.eos_token_id).toEqual([3, 4])
  await saveTokenizerFiles(files, join(to, "new"))
  expect(readdirSync(join(to, "new")).sort()).toEqual(Object.keys(texts).sort())
  for (const [name, text] of Object.entries(texts))
    expect(readFileSync(join(to, "new", name), "utf8")).toBe(text)
})
