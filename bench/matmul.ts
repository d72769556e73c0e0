// Linear layers, one core: our packed matmul against torch's (MKL for f32, oneDNN for bf16).
import type { BenchFile } from "@rectify/cli"
import { native, peer } from "./peers/peer.ts"

export const name = "matmul"

export const run: BenchFile["run"] = (emit, options) => {
  const beside = peer(name, options)
  for (const result of native(name, options)) emit(beside(result))
}
