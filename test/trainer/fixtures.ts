// Prompts, samples and a byte tokenizer for tests of the stages.
import type { Tokenizer } from "@rectify/data"
import type { Group, Prompt, Scored, Weighted } from "../../packages/trainer/src/flow.ts"
import type { ProcessKeys } from "../../packages/trainer/src/recipe/process-schema.ts"
import { type Recipe, recipeFromKeys } from "../../packages/trainer/src/recipe.ts"

/** One token per listed piece, the longest that fits first; id 0 ends a completion. */
export function pieceTokenizer(pieces: readonly string[]) {
  const all = ["<eos>", ...pieces]
  const longestFirst = [...pieces].sort((a, b) => b.length - a.length)
  return {
    eosTokenIds: [0],
    vocabulary: () => all.map((piece) => new TextEncoder().encode(piece)),
    encode(text: string): Int32Array {
      const ids: number[] = []
      for (let at = 0; at < text.length; ) {
        const piece = longestFirst.find((candidate) => text.startsWith(candidate, at))
        if (piece === undefined) throw new Error(`no piece for ${text.slice(at)}`)
        ids.push(all.indexOf(piece))
        at += piece.length
      }
      return Int32Array.from(ids)
    },
    decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => all[id]).join(""),
  }
}

export const asTokenizer = (tokenizer: ReturnType<typeof pieceTokenizer>) => tokenizer as unknown as Tokenizer

export const processKeys = (given: Partial<ProcessKeys> = {}): ProcessKeys =>
  recipe({ process: { ...given } }).process

export function prompt(
  ids: number[],
  answer?: string,
  key = 0,
  columns: Record<string, unknown> = {},
): Prompt {
  return {
    example: { id: `row-${key}`, prompt: "?", answer, columns },
    text: "?",
    ids: Int32Array.from(ids),
    key,
  }
}

export function scored(ids: number[], given: Partial<Scored> = {}): Scored {
  return {
    sample: 0,
    ids: Int32Array.from(ids),
    logprobs: Float32Array.from(ids, () => -1),
    entropy: Float32Array.from(ids, (_, i) => i / 10),
    finishReason: "stop",
    text: "",
    reward: 1,
    rewards: { accuracy: 1 },
    reasons: {},
    correct: true,
    parsed: null,
    ...given,
  }
}

export function weighted(ids: number[], advantage: number, given: Partial<Weighted> = {}): Weighted {
  return {
    ...scored(ids),
    points: [],
    advantage,
    advantages: Float32Array.from(ids, () => advantage),
    processShare: 0,
    ...given,
  }
}

export const group = <S extends Scored>(of: Prompt, samples: S[]): Group<S> => ({
  prompt: of,
  samples: samples.map((sample, i) => ({ ...sample, sample: i })),
})

/** A recipe of a small run, given keys laid over it. */
export const recipe = (given: Record<string, unknown> = {}): Recipe =>
  recipeFromKeys({
    model: { hidden_size: 8 },
    dataset: { name: "column-addition" },
    reward_funcs: ["accuracy"],
    prompts_per_step: 2,
    num_generations: 2,
    max_steps: 2,
    ...(given as Record<string, never>),
  })
