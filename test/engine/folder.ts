// Temporary folders and hand-made .safetensors files for the tests of this folder; nothing of the engine's is used.
import { afterAll } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const made: string[] = []
afterAll(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
})

export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "rectify-test-"))
  made.push(dir)
  return dir
}

export type Header = Record<string, unknown>

/** A file of this header (an object, or raw text) and this many zero bytes of data. */
export function writeSafetensors(
  file: string,
  header: Header | string,
  dataBytes: number,
  headerLength?: bigint,
) {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(headerLength ?? BigInt(text.length))
  writeFileSync(file, Buffer.concat([length, text, Buffer.alloc(dataBytes)]))
  return file
}

export const f32 = (shape: number[], begin: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, begin + 4 * shape.reduce((a, b) => a * b, 1)],
})
