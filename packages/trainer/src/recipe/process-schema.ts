// The `process:` block: RePro (arXiv 2512.01925), each default with where it comes from.
import { type Static, Type } from "@sinclair/typebox"
import { choice, flag, integer, number, share } from "./fields.ts"

export const processSchema = Type.Object(
  {
    method: choice(["none", "repro"], "none", "ours: off unless asked for"),
    repro_alpha: number(0.05, "weight of the process advantage. Authors' script: 0.05; paper: 0.1", {
      minimum: 0,
    }),
    num_forking_token: integer(
      20,
      "k, points inside a thought. Authors' yaml: 20; paper: 10, 20 and 30 compared",
      {
        minimum: 0,
      },
    ),
    selection: choice(
      ["entropy", "all", "even", "random"],
      "entropy",
      "which boundaries are kept. Paper and authors' code: entropy of the first token after the break; the others are controls",
    ),
    delimiter: Type.String({
      default: "\n\n",
      minLength: 1,
      description:
        "what ends a segment, found in the decoded text. Paper; the authors' code compares token ids and misses merged ones",
    }),
    think_end: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
      default: "</think>",
      description:
        "what ends the thought, of any number of tokens; null: the whole completion is thought. Authors' code (first sub-token only)",
    }),
    answer_template: Type.String({
      default: "\\boxed{{answer}}",
      pattern: "\\{answer\\}",
      description: "scored after each point, {answer} replaced by the gold answer. Authors' code",
    }),
    answer_prefix: Type.String({
      default: "",
      description: "put before the answer at points inside the thought, not scored. Authors' code: nothing",
    }),
    stability_weight: number(
      0,
      "w of S = (1 - w) magnitude + w stability. Authors' code: commented out, so 0; paper: small is best",
      share,
    ),
    ema: number(
      1,
      "weight of the newest J before the stability score; 1: no smoothing. Ours: the authors' 0.01 saturates the score",
      { exclusiveMinimum: 0, maximum: 1 },
    ),
    first_reward: choice(
      ["score", "difference"],
      "score",
      "r_1 = S_1 (paper and authors' code), or S_1 - S_0",
    ),
    gamma: number(1, "of the return-to-go. Authors' script: 1", share),
    correct_only: flag(false, "only right completions earn process reward. Authors' code: all do"),
    include_truncated: flag(
      true,
      "completions cut by the length earn process reward. Authors' code: they do",
    ),
  },
  { additionalProperties: false, default: {} },
)

export type ProcessKeys = Static<typeof processSchema>
