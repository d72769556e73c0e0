// Kernels as plain functions over typed arrays, without an engine: for tests, and for losses judged on their own.
import type { GrpoLossRequest, GrpoLossResult } from "./addon-types.ts"
import { addon } from "./native.ts"

/** Loss, statistics and gradient of log-probabilities that are already there; S sequences, T tokens side by side. */
export function grpoLoss(request: GrpoLossRequest): GrpoLossResult {
  return addon().grpoLoss(request)
}
