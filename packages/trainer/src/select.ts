// Which boundaries of a thought RePro measures at: by entropy of the first token after the break, or one of the controls.
import { philox } from "@rectify/data/counter-random"

export interface SelectOptions {
  selection: "entropy" | "all" | "even" | "random"
  k: number
  /** of the random control, so that it does not depend on the batch */
  key: { seed: number; step: number; prompt: number; sample: number }
}

/** `entropy[p]` is that of the distribution token p was drawn from. Ascending; ties go to the earlier boundary. */
export function select(
  candidates: readonly number[],
  entropy: ArrayLike<number>,
  options: SelectOptions,
): number[] {
  const { selection, k } = options
  if (selection === "all" || candidates.length <= k) return [...candidates]
  if (selection === "even")
    return Array.from({ length: k }, (_, i) => candidates[Math.floor(((i + 0.5) * candidates.length) / k)]!)
  const rank = (p: number) => (selection === "entropy" ? entropy[p]! : draw(options.key, p))
  return candidates
    .map((p) => ({ p, rank: rank(p) }))
    .sort((a, b) => b.rank - a.rank || a.p - b.p)
    .slice(0, k)
    .map(({ p }) => p)
    .sort((a, b) => a - b)
}

const draw = ({ seed, step, prompt, sample }: SelectOptions["key"], p: number) =>
  philox([p, sample, prompt, step], [seed >>> 0, Math.floor(seed / 2 ** 32)])[0]
