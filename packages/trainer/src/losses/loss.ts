// The double-precision judge of the fused native loss: plain loops over sequences and tokens, one rule per loss type.
import type { GrpoLoss, LossStats, LossType } from "@rectify/engine"
import { emptyStats } from "../loss-stats.ts"
import { rule as bnpo } from "./bnpo.ts"
import { rule as cispo } from "./cispo.ts"
import { rule as dapo } from "./dapo.ts"
import { rule as drGrpo } from "./dr-grpo.ts"
import { rule as grpo } from "./grpo.ts"
import type { LossRule } from "./rule.ts"
import { rule as sapo } from "./sapo.ts"

const rules: Record<LossType, LossRule> = { bnpo, cispo, dapo, dr_grpo: drGrpo, grpo, sapo }

/** The loss tokens of one sequence; arrays of one length. */
export interface SequenceTerms {
  logp: readonly number[]
  old: readonly number[]
  ref?: readonly number[]
  advantages: readonly number[]
}

export type LossSettings = Omit<GrpoLoss, "kind" | "advantages" | "oldLogprobs" | "refLogprobs">

export interface Judgement {
  loss: number
  /** [sequence][token] d loss / d logp */
  gradient: number[][]
  stats: LossStats
}

export function judgeLoss(sequences: readonly SequenceTerms[], settings: LossSettings): Judgement {
  const { token, weight } = rules[settings.lossType]
  const stats = emptyStats()
  const gradient = sequences.map((sequence) => {
    const n = sequence.logp.length
    if (n === 0) return []
    stats.sequences++
    stats.tokens += n
    const differences = sequence.logp.map((logp, t) => logp - sequence.old[t]!)
    const meanDifference = differences.reduce((sum, d) => sum + d, 0) / n
    const whole = settings.importanceSamplingLevel === "sequence"
    const share = weight(n, settings)
    const direct = new Array<number>(n).fill(0)
    let throughSequence = 0
    for (const [t, logp] of sequence.logp.entries()) {
      const advantage = sequence.advantages[t]!
      const ratio = Math.exp(whole ? meanDifference : differences[t]!)
      const term = token({ ratio, logp, advantage }, settings)
      const kl = settings.beta > 0 ? klTerm(logp - sequence.ref![t]!, settings) : { value: 0, slope: 0 }
      const klFactor = settings.useBiasCorrectionKl ? ratio : 1
      const dRatio = term.dRatio + (settings.useBiasCorrectionKl ? settings.beta * kl.value : 0)
      direct[t]! += share * (term.dLogp + settings.beta * klFactor * kl.slope)
      if (whole) throughSequence += (share * dRatio * ratio) / n
      else direct[t]! += share * dRatio * ratio
      stats.loss += share * (term.loss + settings.beta * klFactor * kl.value)
      stats.klSum += kl.value
      if (advantage < 0 && ratio < 1 - settings.epsilon) stats.clipLow++
      if (advantage > 0 && ratio > 1 + settings.epsilonHigh) stats.clipHigh++
      stats.ratioSum += ratio
      stats.ratioMin = Math.min(stats.ratioMin, ratio)
      stats.ratioMax = Math.max(stats.ratioMax, ratio)
      stats.logpDifferenceSum += Math.abs(differences[t]!)
      stats.logpDifferenceMax = Math.max(stats.logpDifferenceMax, Math.abs(differences[t]!))
    }
    return direct.map((d) => d + throughSequence)
  })
  return { loss: stats.loss, gradient, stats }
}

/** Of x = logp - ref: the estimate and its slope in logp. */
function klTerm(x: number, { kl }: LossSettings): { value: number; slope: number } {
  if (kl === "k1") return { value: x, slope: 1 }
  if (kl === "k2") return { value: 0.5 * x * x, slope: x }
  return { value: Math.exp(-x) + x - 1, slope: 1 - Math.exp(-x) }
}
