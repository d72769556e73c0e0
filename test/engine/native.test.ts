// The addon loads, and the types committed are the types it has.
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { addon } from "../../packages/engine/src/native.ts"

test("addon-types.ts is what the addon says of itself (bun run types)", () => {
  const file = join(import.meta.dir, "../../packages/engine/src/addon-types.ts")
  expect(readFileSync(file, "utf8")).toBe(addon().types())
})

test("every name in the types is there, and nothing else", () => {
  const names = addon()
    .types()
    .split("export interface ")
    .filter((text) => /^(NativeEngine|Addon) /.test(text))
    .map((text) => [...text.matchAll(/^ {2}(\w+)[:(]/gm)].map((match) => match[1]!))
  const methods = Object.getOwnPropertyNames(addon().Engine.prototype).filter(
    (name) => name !== "constructor",
  )
  expect(names.map((list) => list.toSorted())).toEqual([methods.toSorted(), Object.keys(addon()).toSorted()])
})
