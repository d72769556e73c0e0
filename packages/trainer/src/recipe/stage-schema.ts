// The `warm_start:` and `evaluation:` blocks of a recipe.
import { type Static, Type } from "@sinclair/typebox"

const positive = { exclusiveMinimum: 0 }

export const warmStartSchema = Type.Object(
  {
    stages: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          steps: Type.Integer({ minimum: 1 }),
          dataset: Type.Record(Type.String(), Type.Unknown(), {
            default: {},
            description: "options laid over the recipe's dataset for this stage",
          }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, description: "curriculum: stages in order, one learning-rate schedule over all" },
    ),
    batch_size: Type.Integer({ default: 32, minimum: 1, description: "rows per update" }),
    learning_rate: Type.Number({ default: 1e-3, minimum: 0 }),
    lr_scheduler_type: Type.Unsafe<"linear" | "cosine" | "constant" | "constant_with_warmup">(
      Type.String({ enum: ["linear", "cosine", "constant", "constant_with_warmup"], default: "cosine" }),
    ),
    warmup_steps: Type.Integer({ default: 0, minimum: 0 }),
    min_lr_rate: Type.Number({ default: 0, minimum: 0, maximum: 1 }),
    weight_decay: Type.Number({ default: 0, minimum: 0 }),
    adam_beta1: Type.Number({ default: 0.9, minimum: 0, exclusiveMaximum: 1 }),
    adam_beta2: Type.Number({ default: 0.999, minimum: 0, exclusiveMaximum: 1 }),
    adam_epsilon: Type.Number({ default: 1e-8, ...positive }),
    max_grad_norm: Type.Number({ default: 1, minimum: 0 }),
  },
  { additionalProperties: false },
)

export const evaluationSchema = Type.Object(
  {
    size: Type.Integer({ default: 256, minimum: 1, description: "held-out rows" }),
    temperature: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
      default: null,
      description: "null: as in training; 0: the likeliest token",
    }),
    top_p: Type.Number({ default: 1, exclusiveMinimum: 0, maximum: 1 }),
    top_k: Type.Integer({ default: 0, minimum: 0 }),
  },
  { additionalProperties: false, default: {} },
)

export type WarmStartKeys = Static<typeof warmStartSchema>
export type EvaluationKeys = Static<typeof evaluationSchema>
