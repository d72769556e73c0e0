// The GRPO loss with its gradient and statistics on 64 x 1024 log-probabilities, one core, against TRL's formula in torch.
import type { BenchFile } from "@rectify/cli"
import { native, peer } from "./peers/peer.ts"

export const name = "grpo-loss"

export const run: BenchFile["run"] = (emit, options) => {
  const beside = peer("grpo_loss", options)
  for (const result of native("grpo_loss", options)) emit(beside(result))
}
