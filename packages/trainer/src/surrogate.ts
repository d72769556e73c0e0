// RePro's surrogate J: the mean log-probability of the right answer after each point of each thought, a whole group in one forest.
import type { Engine } from "@rectify/engine"
import { ForestBuilder } from "./forest.ts"
import { microBatches } from "./micro-batches.ts"

/** An accepted answer as tokens: what is put before it inside a thought is read, the answer itself is scored. */
export interface Gold {
  prefix: number[]
  answer: number[]
}

export interface Thought {
  /** up to its end, end tag included */
  ids: Int32Array
  /** prefix lengths to measure at, ascending, without the baseline 0; the last is ids.length */
  points: number[]
  /** the end tag is there: the last point needs no prefix before the answer */
  closed: boolean
}

export interface ThoughtGroup {
  prompt: Int32Array
  golds: Gold[]
  thoughts: Thought[]
}

export interface MeasureOptions {
  temperature: number
  maxBatchTokens: number
}

/** [group][thought][point], the baseline J(0) first; of several accepted answers the best counts. */
export async function surrogates(
  engine: Pick<Engine, "logprobs">,
  groups: readonly ThoughtGroup[],
  options: MeasureOptions,
): Promise<number[][][]> {
  const found: number[][][] = groups.map(({ thoughts }) => thoughts.map(() => []))
  for (const batch of microBatches(groups.map(costOf), options.maxBatchTokens)) {
    const forest = new AnswerForest()
    const reads = batch.map((slice) => addGroup(forest, groups[slice.group]!, slice.samples))
    await forest.score(engine, options.temperature)
    for (const [b, slice] of batch.entries())
      for (const [s, read] of reads[b]!.entries()) found[slice.group]![slice.samples[s]!] = read()
  }
  return found
}

function costOf({ prompt, golds, thoughts }: ThoughtGroup) {
  const answers = golds.reduce((sum, { prefix, answer }) => sum + prefix.length + answer.length, 0)
  return {
    prompt: prompt.length + answers,
    samples: thoughts.map(({ ids, points }) => ids.length + points.length * answers),
  }
}

/** The prompt and each thought once, the answers hanging from them; the baseline is the same for all, so it is asked once. */
function addGroup(forest: AnswerForest, group: ThoughtGroup, chosen: readonly number[]): (() => number[])[] {
  const { prompt, golds } = group
  const root = forest.root(prompt)
  const baseline = forest.best(root, prompt.length, golds, true)
  return chosen.map((t) => {
    const { ids, points, closed } = group.thoughts[t]!
    const trunk = forest.branch(root, prompt.length, ids)
    const rest = points.map((point) => forest.best(trunk, point, golds, !(closed && point === ids.length)))
    return () => [baseline, ...rest].map((read) => read())
  })
}

/** A forest that remembers where its answers are. */
class AnswerForest extends ForestBuilder {
  private readonly answers: { from: number; to: number }[] = []
  private logprobs = new Float32Array(0)

  /** Hangs every accepted answer after a prefix; the result is J there, once scored. */
  best(parent: number, parentLength: number, golds: readonly Gold[], inside: boolean): () => number {
    const reads = golds.map(({ prefix, answer }) => {
      const before = inside ? prefix : []
      const from = this.start(this.branch(parent, parentLength, [...before, ...answer])) + before.length
      const to = from + answer.length
      this.answers.push({ from, to })
      return () => this.mean(from, to)
    })
    return () => Math.max(...reads.map((read) => read()))
  }

  async score(engine: Pick<Engine, "logprobs">, temperature: number): Promise<void> {
    const forest = this.build()
    const mask = new Uint8Array(forest.tokens.length)
    for (const { from, to } of this.answers) mask.fill(1, from, to)
    this.logprobs = (await engine.logprobs(forest, { mask, temperature }))
      .logprobs as Float32Array<ArrayBuffer>
  }

  private mean(from: number, to: number): number {
    let sum = 0
    for (let i = from; i < to; i++) sum += this.logprobs[i]!
    return sum / (to - from)
  }
}
