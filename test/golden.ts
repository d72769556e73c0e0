// Reads the goldens: test/golden/README.md says what is in them and how each was made.
import { readFileSync } from "node:fs"
import { join } from "node:path"

export const goldenDir = join(import.meta.dir, "golden")
export const goldenModels = ["qwen2", "qwen3", "llama", "llama-linear", "mistral"] as const

export interface Tensor {
  shape: number[]
  data: Float64Array
}

/** A .safetensors file of f32, f64 and i32 tensors, read without any code of the engine's. */
export function readSafetensors(file: string): Map<string, Tensor> {
  const bytes = readFileSync(file)
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const readers: Record<string, [number, (at: number) => number]> = {
    F32: [4, (at) => bytes.readFloatLE(at)],
    F64: [8, (at) => bytes.readDoubleLE(at)],
    I32: [4, (at) => bytes.readInt32LE(at)],
  }
  const tensors = new Map<string, Tensor>()
  for (const [name, { dtype, shape, data_offsets: at }] of Object.entries(header)) {
    if (name === "__metadata__") continue
    const reader = readers[dtype]
    if (!reader) throw new Error(`readSafetensors: expected F32, F64 or I32 for ${name}, got ${dtype}`)
    const [size, read] = reader
    const start = 8 + headerLength + at[0]
    tensors.set(name, {
      shape,
      data: Float64Array.from({ length: (at[1] - at[0]) / size }, (_, i) => read(start + i * size)),
    })
  }
  return tensors
}

/** golden.safetensors of one tiny model; throws on a key that is not there. */
export function goldenModel(name: (typeof goldenModels)[number]) {
  const dir = join(goldenDir, "models", name)
  const tensors = readSafetensors(join(dir, "golden.safetensors"))
  return {
    dir,
    tensors,
    get(key: string): Float64Array {
      const tensor = tensors.get(key)
      if (!tensor)
        throw new Error(`golden ${name}: expected a known key, got ${key}; known: ${[...tensors.keys()]}`)
      return tensor.data
    },
  }
}
