// The fused LM head at 512 rows, width 896, vocabulary 151,936, one core: time, and memory above weights and weight gradient.
import type { BenchFile } from "@rectify/cli"
import { native, peer } from "./peers/peer.ts"

export const name = "token-logprob"

export const run: BenchFile["run"] = (emit, options) => {
  for (const args of [[], ["--memory"]]) {
    const beside = peer("token_logprob", options, args)
    for (const result of native("token_logprob", options, args)) emit(beside(result))
  }
}
