// Every way a .safetensors file or its index can be wrong is refused with the file and the tensor; right ones are read.
import { describe, expect, test } from "bun:test"
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  matchTensors,
  readModelTensors,
  readSafetensorsHeader,
} from "../../packages/engine/src/safetensors.ts"
import { goldenDir } from "../golden.ts"
import { f32, type Header, temporaryFolder, writeSafetensors } from "./folder.ts"

const two: Header = { a: f32([2, 3], 0), b: f32([4], 24) }

describe("readSafetensorsHeader", () => {
  const read = (header: Header | string, dataBytes: number, headerLength?: bigint) =>
    readSafetensorsHeader(
      writeSafetensors(join(temporaryFolder(), "x.safetensors"), header, dataBytes, headerLength),
    )

  test("names, shapes and places", () => {
    const { tensors, metadata } = read({ __metadata__: { format: "pt" }, ...two }, 40)
    const start = JSON.stringify({ __metadata__: { format: "pt" }, ...two }).length + 8
    expect(metadata).toEqual({ format: "pt" })
    expect([...tensors.values()].map(({ file: _, ...rest }) => rest)).toEqual([
      { name: "a", dtype: "F32", shape: [2, 3], offset: start, bytes: 24 },
      { name: "b", dtype: "F32", shape: [4], offset: start + 24, bytes: 16 },
    ])
  })

  test("a name like __proto__ is a name", () => {
    const { tensors } = read(`{"__proto__": ${JSON.stringify(f32([1], 0))}}`, 4)
    expect([...tensors.keys()]).toEqual(["__proto__"])
  })

  const wrong: [string, Header | string, number, bigint | undefined, RegExp][] = [
    ["data cut short", two, 39, undefined, /x\.safetensors: b: .*within the file's 39 data bytes/],
    ["bytes of no tensor", two, 44, undefined, /expected \d+ bytes, got \d+ \(bytes of no tensor/],
    ["header longer than the file", two, 0, 10_000n, /expected a header of at most \d+ bytes, got 10000/],
    ["absurd header length", two, 40, 2n ** 63n, /got 9223372036854775808/],
    ["header cut in the middle", two, 40, 20n, /expected a JSON header/],
    ["not JSON", "GGUF....", 8, undefined, /expected a JSON header/],
    ["not an object", "[1]", 0, undefined, /expected a JSON object as header, got \[1\]/],
    ["unknown dtype", { a: { ...f32([1], 0), dtype: "Q4" } }, 4, undefined, /a: expected a dtype of .*"Q4"/],
    [
      "dtype of the prototype",
      { a: { ...f32([1], 0), dtype: "constructor" } },
      4,
      undefined,
      /expected a dtype/,
    ],
    ["negative shape", { a: { ...f32([1], 0), shape: [-1] } }, 4, undefined, /a: expected a shape/],
    [
      "huge shape",
      { a: { ...f32([1], 0), shape: [2 ** 40, 2 ** 40] } },
      4,
      undefined,
      /a: expected .* bytes/,
    ],
    [
      "shape unlike offsets",
      { a: { ...f32([2], 0), shape: [3] } },
      8,
      undefined,
      /a: expected 12 bytes .*got 8/,
    ],
    [
      "offsets backwards",
      { a: { ...f32([1], 0), data_offsets: [4, 0] } },
      4,
      undefined,
      /a: expected data_offs/,
    ],
    [
      "offsets not numbers",
      { a: { ...f32([1], 0), data_offsets: ["0", 4] } },
      4,
      undefined,
      /two data_offsets/,
    ],
    ["no offsets", { a: { dtype: "F32", shape: [1] } }, 4, undefined, /a: expected two data_offsets/],
    ["entry not an object", { a: 7 }, 4, undefined, /a: expected dtype, shape and data_offsets, got 7/],
    ["overlap", { a: f32([2], 0), b: f32([2], 4) }, 12, undefined, /b: .*right after a, .*overlap/],
    ["gap", { a: f32([1], 0), b: f32([1], 8) }, 12, undefined, /b: .*right after a, .*a gap/],
    ["metadata not strings", { __metadata__: { step: 3 }, ...two }, 40, undefined, /__metadata__/],
  ]
  test.each(wrong)("%s", (_, header, dataBytes, headerLength, message) => {
    expect(() => read(header, dataBytes, headerLength)).toThrow(message)
  })

  test("shorter than its length field; a folder; nothing", () => {
    const dir = temporaryFolder()
    const file = writeSafetensors(join(dir, "x.safetensors"), two, 40)
    truncateSync(file, 5)
    expect(() => readSafetensorsHeader(file)).toThrow(/got 5 bytes \(truncated\?\)/)
    expect(() => readSafetensorsHeader(dir)).toThrow()
    expect(() => readSafetensorsHeader(join(dir, "none"))).toThrow(/ENOENT/)
  })
})

describe("readModelTensors", () => {
  const shard = (dir: string, name: string, header: Header, bytes: number) =>
    writeSafetensors(join(dir, name), header, bytes)
  const index = (dir: string, map: unknown) =>
    writeFileSync(
      join(dir, "model.safetensors.index.json"),
      JSON.stringify({ metadata: {}, weight_map: map }),
    )

  test("one file, and shards by their index", () => {
    const dir = temporaryFolder()
    shard(dir, "m-1.safetensors", { a: f32([2], 0) }, 8)
    shard(dir, "m-2.safetensors", { b: f32([3], 0) }, 12)
    index(dir, { a: "m-1.safetensors", b: "m-2.safetensors" })
    expect([...readModelTensors(dir).values()].map(({ name, bytes }) => [name, bytes])).toEqual([
      ["a", 8],
      ["b", 12],
    ])
    shard(dir, "model.safetensors", { c: f32([1], 0) }, 4)
    expect([...readModelTensors(dir).keys()]).toEqual(["c"])
  })

  const wrongMaps: [string, unknown, RegExp][] = [
    ["missing shard", { a: "m-3.safetensors" }, /expected m-3\.safetensors beside it, got no such file/],
    ["tensor not in its shard", { z: "m-1.safetensors" }, /z: expected it in m-1\.safetensors/],
    ["path out of the folder", { a: "../m-1.safetensors" }, /expected names of \.safetensors files/],
    ["not a name", { a: 1 }, /expected names of \.safetensors files, got 1/],
    ["no map", undefined, /weight_map: expected an object/],
  ]
  test.each(wrongMaps)("%s", (_, map, message) => {
    const dir = temporaryFolder()
    shard(dir, "m-1.safetensors", { a: f32([2], 0) }, 8)
    index(dir, map)
    expect(() => readModelTensors(dir)).toThrow(message)
  })

  test("index that is not JSON; no weights; a pickle", () => {
    const dir = temporaryFolder()
    expect(() => readModelTensors(dir)).toThrow(/got neither$/)
    writeFileSync(join(dir, "pytorch_model.bin"), "")
    expect(() => readModelTensors(dir)).toThrow(/pytorch_model\.bin is a pickle: convert it/)
    writeFileSync(join(dir, "model.safetensors.index.json"), "{")
    expect(() => readModelTensors(dir)).toThrow(/index\.json: expected JSON/)
  })

  test("a golden folder, whole", () => {
    const dir = join(temporaryFolder(), "m")
    mkdirSync(dir)
    copyFileSync(join(goldenDir, "models/mistral/model.safetensors"), join(dir, "model.safetensors"))
    const tensors = readModelTensors(dir)
    expect(tensors.get("model.embed_tokens.weight")).toMatchObject({ dtype: "F16", shape: [96, 40] })
  })
})

describe("matchTensors", () => {
  const stored = (header: Header, bytes: number) =>
    readSafetensorsHeader(writeSafetensors(join(temporaryFolder(), "x.safetensors"), header, bytes)).tensors
  const wanted = [
    { name: "b", shape: [4] },
    { name: "a", shape: [2, 3] },
  ]

  test("in the order wanted", () => {
    expect(matchTensors(stored(two, 40), wanted, "here").map(({ name, dtype }) => [name, dtype])).toEqual([
      ["b", "f32"],
      ["a", "f32"],
    ])
  })

  test("missing, unexpected, misshapen, of another type", () => {
    expect(() => matchTensors(stored({ a: f32([2, 3], 0) }, 24), wanted, "here")).toThrow(
      /here: expected 2 tensors, got none named b \(1 missing\)/,
    )
    const more = { ...two, extra: f32([1], 40) }
    expect(() => matchTensors(stored(more, 44), wanted, "here")).toThrow(/x\.safetensors: .*got extra/)
    expect(matchTensors(stored(more, 44), wanted, "here", (name) => name === "extra")).toHaveLength(2)
    expect(() => matchTensors(stored({ a: f32([3, 2], 0), b: f32([4], 24) }, 40), wanted, "here")).toThrow(
      /a: expected shape \[2, 3\], got \[3, 2\]/,
    )
    const whole = { ...two, b: { dtype: "I32", shape: [4], data_offsets: [24, 40] } }
    expect(() => matchTensors(stored(whole, 40), wanted, "here")).toThrow(/b: expected dtype F32.*got I32/)
  })
})
