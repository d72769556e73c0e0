// The `process:` block: RePro (arXiv 2512.01925), each default with where it comes from.
import { type Static, Type } from "@sinclair/typebox"

export const processMethods = ["none", "repro"] as const
export const selections = ["entropy", "all", "even", "random"] as const

export const processSchema = Type.Object(
  {
    method: Type.Unsafe<(typeof processMethods)[number]>(
      Type.String({ enum: [...processMethods], default: "none", description: "ours: off unless asked for" }),
    ),
    repro_alpha: Type.Number({
      default: 0.05,
      minimum: 0,
      description: "weight of the process advantage. Authors' script: 0.05; paper: 0.1",
    }),
    num_forking_token: Type.Integer({
      default: 20,
      minimum: 0,
      description: "k, points inside a thought. Authors' yaml: 20; paper: 10, 20 and 30 compared",
    }),
    selection: Type.Unsafe<(typeof selections)[number]>(
      Type.String({
        enum: [...selections],
        default: "entropy",
        description:
          "which boundaries are kept. Paper and authors' code: entropy of the first token after the break; the others are controls",
      }),
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
    stability_weight: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 1,
      description:
        "w of S = (1 - w) magnitude + w stability. Authors' code: commented out, so 0; paper: small is best",
    }),
    ema: Type.Number({
      default: 1,
      exclusiveMinimum: 0,
      maximum: 1,
      description:
        "weight of the newest J before the stability score; 1: no smoothing. Ours: the authors' 0.01 saturates the score",
    }),
    first_reward: Type.Unsafe<"score" | "difference">(
      Type.String({
        enum: ["score", "difference"],
        default: "score",
        description: "r_1 = S_1 (paper and authors' code), or S_1 - S_0",
      }),
    ),
    gamma: Type.Number({
      default: 1,
      minimum: 0,
      maximum: 1,
      description: "of the return-to-go. Authors' script: 1",
    }),
    correct_only: Type.Boolean({
      default: false,
      description: "only right completions earn process reward. Authors' code: all do",
    }),
    include_truncated: Type.Boolean({
      default: true,
      description: "completions cut by the length earn process reward. Authors' code: they do",
    }),
  },
  { additionalProperties: false, default: {} },
)

export type ProcessKeys = Static<typeof processSchema>
