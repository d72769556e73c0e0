// Reads the headers of .safetensors files and checks them; the bytes of the tensors are left to the engine.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { basename, join } from "node:path"

/** Where one stored tensor lies. */
export interface StoredTensor {
  name: string
  file: string
  dtype: string
  shape: number[]
  /** of the first byte in the file, and how many follow */
  offset: number
  bytes: number
}

export interface SafetensorsHeader {
  tensors: Map<string, StoredTensor>
  metadata: Record<string, string>
}

const dtypeBytes: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}
const maxHeaderBytes = 100_000_000 // the format's own limit
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

function readHeaderText(file: string): { text: string; dataStart: number; fileBytes: number } {
  const handle = openSync(file, "r")
  try {
    const info = fstatSync(handle)
    if (!info.isFile()) throw new Error(`${file}: expected a file, got something else`)
    const fileBytes = info.size
    const readAt = (position: number, bytes: number) => {
      const buffer = Buffer.alloc(bytes)
      if (readSync(handle, buffer, 0, bytes, position) !== bytes)
        throw new Error(`${file}: expected ${fileBytes} bytes, got a file that shrank while it was read`)
      return buffer
    }
    if (fileBytes < 8)
      throw new Error(`${file}: expected a safetensors file, got ${fileBytes} bytes (truncated?)`)
    const length = readAt(0, 8).readBigUInt64LE(0)
    const most = Math.min(maxHeaderBytes, fileBytes - 8)
    if (length > BigInt(most))
      throw new Error(
        `${file}: expected a header of at most ${most} bytes, got ${length} (truncated, or not a safetensors file)`,
      )
    const dataStart = 8 + Number(length)
    return { text: readAt(8, Number(length)).toString("utf8"), dataStart, fileBytes }
  } finally {
    closeSync(handle)
  }
}

function parseEntry(
  name: string,
  entry: unknown,
  file: string,
  dataBytes: number,
  dataStart: number,
): StoredTensor {
  const fail = (expected: string, got: unknown): never => {
    throw new Error(`${file}: ${name}: expected ${expected}, got ${JSON.stringify(got)}`)
  }
  if (!isRecord(entry)) return fail("dtype, shape and data_offsets", entry)
  const { dtype, shape, data_offsets: at } = entry
  const size = typeof dtype === "string" && Object.hasOwn(dtypeBytes, dtype) ? dtypeBytes[dtype] : undefined
  if (typeof dtype !== "string" || size === undefined)
    return fail(`a dtype of ${Object.keys(dtypeBytes).join(", ")}`, dtype)
  if (!Array.isArray(shape) || !shape.every(isCount)) return fail("a shape of whole numbers", shape)
  if (!Array.isArray(at) || at.length !== 2 || !at.every(isCount)) return fail("two data_offsets", at)
  const [begin, end] = at as [number, number]
  if (begin > end || end > dataBytes)
    return fail(`data_offsets within the file's ${dataBytes} data bytes`, at)
  const bytes = shape.reduce((product, n) => product * n, size)
  if (bytes !== end - begin)
    return fail(`${bytes} bytes for ${dtype} of shape ${JSON.stringify(shape)}`, end - begin)
  return { name, file, dtype, shape, offset: dataStart + begin, bytes }
}

/** Header of one file; the tensors must cover its data exactly, without overlap. */
export function readSafetensorsHeader(file: string): SafetensorsHeader {
  const { text, dataStart, fileBytes } = readHeaderText(file)
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (error) {
    throw new Error(`${file}: expected a JSON header, got ${(error as Error).message}`)
  }
  if (!isRecord(header))
    throw new Error(`${file}: expected a JSON object as header, got ${text.slice(0, 40)}`)
  const { __metadata__: metadata = {}, ...entries } = header
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    throw new Error(`${file}: __metadata__: expected strings, got ${JSON.stringify(metadata).slice(0, 80)}`)
  const tensors = Object.entries(entries).map(([name, entry]) =>
    parseEntry(name, entry, file, fileBytes - dataStart, dataStart),
  )
  let end = dataStart
  let before = "the header"
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (tensor.offset !== end)
      throw new Error(
        `${file}: ${tensor.name}: expected to begin at byte ${end}, right after ${before}, got ${tensor.offset} (${tensor.offset < end ? "tensors overlap" : "a gap"})`,
      )
    end = tensor.offset + tensor.bytes
    before = tensor.name
  }
  if (end !== fileBytes)
    throw new Error(`${file}: expected ${end} bytes, got ${fileBytes} (bytes of no tensor at the end)`)
  return {
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: metadata as Record<string, string>,
  }
}

function readSharded(dir: string, index: string): Map<string, StoredTensor> {
  let map: unknown
  try {
    map = JSON.parse(readFileSync(index, "utf8"))?.weight_map
  } catch (error) {
    throw new Error(`${index}: expected JSON, got ${(error as Error).message}`)
  }
  if (!isRecord(map)) throw new Error(`${index}: weight_map: expected an object, got ${JSON.stringify(map)}`)
  const shards = new Map<string, SafetensorsHeader>()
  for (const shard of new Set(Object.values(map))) {
    if (typeof shard !== "string" || shard !== basename(shard) || !shard.endsWith(".safetensors"))
      throw new Error(
        `${index}: weight_map: expected names of .safetensors files, got ${JSON.stringify(shard)}`,
      )
    const file = join(dir, shard)
    if (!existsSync(file)) throw new Error(`${index}: expected ${shard} beside it, got no such file`)
    shards.set(shard, readSafetensorsHeader(file))
  }
  const tensors = new Map<string, StoredTensor>()
  for (const [name, shard] of Object.entries(map)) {
    const tensor = shards.get(shard as string)?.tensors.get(name)
    if (!tensor) throw new Error(`${index}: ${name}: expected it in ${shard}, got no such tensor there`)
    tensors.set(name, tensor)
  }
  return tensors
}

/** Every tensor of a model folder: model.safetensors, or the shards that its index names. */
export function readModelTensors(dir: string): Map<string, StoredTensor> {
  const file = join(dir, "model.safetensors")
  if (existsSync(file)) return readSafetensorsHeader(file).tensors
  const index = `${file}.index.json`
  if (existsSync(index)) return readSharded(dir, index)
  const pickle = existsSync(dir) ? readdirSync(dir).find((name) => name.endsWith(".bin")) : undefined
  const cure = pickle
    ? `; ${pickle} is a pickle: convert it with save_pretrained(dir, safe_serialization=True)`
    : ""
  throw new Error(`${dir}: expected model.safetensors or model.safetensors.index.json, got neither${cure}`)
}

/** A tensor the model needs. */
export interface WantedTensor {
  name: string
  shape: number[]
}

const floats: Record<string, "f32" | "bf16" | "f16"> = { F32: "f32", BF16: "bf16", F16: "f16" }
export type FloatTensor = Omit<StoredTensor, "dtype" | "shape"> & { dtype: "f32" | "bf16" | "f16" }

/**
 * The stored tensors in the order wanted; throws on a missing, unexpected, misshapen or non-float one.
 * `ignore` says which extra names are harmless.
 */
export function matchTensors(
  stored: Map<string, StoredTensor>,
  wanted: WantedTensor[],
  where: string,
  ignore: (name: string) => boolean = () => false,
): FloatTensor[] {
  const list = (names: string[]) => `${names.slice(0, 4).join(", ")}${names.length > 4 ? ", ..." : ""}`
  const names = new Set(wanted.map(({ name }) => name))
  const missing = [...names].filter((name) => !stored.has(name))
  if (missing.length > 0)
    throw new Error(
      `${where}: expected ${wanted.length} tensors, got none named ${list(missing)} (${missing.length} missing)`,
    )
  const extra = [...stored.values()].filter(({ name }) => !names.has(name) && !ignore(name))
  if (extra[0])
    throw new Error(
      `${extra[0].file}: expected only tensors of this model, got ${list(extra.map(({ name }) => name))} (${extra.length} unexpected)`,
    )
  return wanted.map(({ name, shape }) => {
    const { file, offset, bytes, ...tensor } = stored.get(name) as StoredTensor
    const dtype = floats[tensor.dtype]
    if (!dtype) throw new Error(`${file}: ${name}: expected dtype F32, BF16 or F16, got ${tensor.dtype}`)
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i]))
      throw new Error(
        `${file}: ${name}: expected shape [${shape.join(", ")}], got [${tensor.shape.join(", ")}] (config.json and weights disagree)`,
      )
    return { name, file, offset, bytes, dtype }
  })
}
