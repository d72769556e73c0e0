// What a loss type is: the loss of one token with its slopes, and what a token weighs.
import type { LossSettings } from "./loss.ts"

export interface Token {
  /** of the token, or of its sequence */
  ratio: number
  logp: number
  advantage: number
}

export interface LossRule {
  /** the loss of a token, its slope in the ratio, and its slope in logp beside the ratio's */
  token(token: Token, settings: LossSettings): { loss: number; dRatio: number; dLogp: number }
  /** of each token of a sequence with this many loss tokens */
  weight(tokens: number, settings: LossSettings): number
}
