// Rows of a JSON-lines file as examples: shuffled anew each epoch by seed, resumable, with a held-out share.
import { CounterRandom } from "../counter-random.ts"
import { type JsonRow, readJsonl } from "../jsonl-file.ts"
import { flag, number, optionalText, readOptions, text } from "../options.ts"
import type { ChatMessage, Dataset, DatasetContext, DatasetOptions, Example } from "../types.ts"

interface Options {
  path: string
  /** rows for evaluation; null: a share of `path` */
  eval_path: string | null
  held_out: number
  prompt_column: string
  answer_column: string
  /** the answer is what follows the last of these, as "####" in GSM8K */
  answer_after: string | null
  /** {prompt} is replaced by the row's prompt */
  prompt_template: string
  system_prompt: string | null
  /** through the model's chat template */
  chat: boolean
}

interface State {
  epoch: number
  position: number
  rows: number
}

const name = "jsonl"
const streams = { epoch: 16, split: 17 }
const splitSeed = 20_260_101

const isMessages = (value: unknown): value is ChatMessage[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((message) => typeof message?.role === "string" && typeof message?.content === "string")

function column(where: string, row: JsonRow, key: string, option: string): unknown {
  if (row[key] !== undefined && row[key] !== null) return row[key]
  throw new Error(
    `${where}: expected a column ${key}, got ${Object.keys(row).join(", ")}; set dataset.${option}`,
  )
}

function answerOf(where: string, row: JsonRow, options: Options): string | undefined {
  if (options.answer_column === "") return undefined
  const value = column(where, row, options.answer_column, "answer_column")
  if (typeof value !== "string" && typeof value !== "number")
    throw new Error(
      `${where}: expected a text or number in ${options.answer_column}, got ${JSON.stringify(value)}`,
    )
  const written = String(value)
  if (options.answer_after === null) return written
  const at = written.lastIndexOf(options.answer_after)
  if (at < 0)
    throw new Error(`${where}: expected ${JSON.stringify(options.answer_after)} in ${options.answer_column}`)
  return written.slice(at + options.answer_after.length).trim()
}

function exampleOf(where: string, id: string, row: JsonRow, options: Options): Example {
  const given = column(where, row, options.prompt_column, "prompt_column")
  const answer = answerOf(where, row, options)
  const system = options.system_prompt === null ? [] : [{ role: "system", content: options.system_prompt }]
  if (isMessages(given))
    return { id, prompt: given.at(-1)!.content, messages: [...system, ...given], answer, columns: row }
  if (typeof given !== "string")
    throw new Error(
      `${where}: expected a text or messages in ${options.prompt_column}, got ${JSON.stringify(given)}`,
    )
  const prompt = options.prompt_template.replaceAll("{prompt}", () => given)
  if (!options.chat) return { id, prompt, answer, columns: row }
  return { id, prompt, messages: [...system, { role: "user", content: prompt }], answer, columns: row }
}

async function examplesOf(path: string, options: Options): Promise<Example[]> {
  const rows = await readJsonl(path)
  return rows.map(({ line, row }, index) => exampleOf(`${path}:${line}`, String(index), row, options))
}

/** By the prompt's own text, so that equal rows stay on one side and appended rows move nothing. */
const isHeldOut = ({ prompt }: Example, share: number) =>
  new CounterRandom(splitSeed, streams.split, Bun.hash.xxHash32(prompt)).chance(share)

class Jsonl implements Dataset {
  readonly name = name
  readonly size: number
  readonly #training: Example[]
  readonly #heldOut: Example[]
  readonly #context: DatasetContext
  #order: Uint32Array
  #epoch = 0
  #position = 0

  constructor(training: Example[], heldOut: Example[], context: DatasetContext) {
    this.#training = training
    this.#heldOut = heldOut
    this.#context = context
    this.size = training.length
    this.#order = this.#shuffled()
  }

  #shuffled(): Uint32Array {
    const { length } = this.#training
    if (!this.#context.shuffle) return Uint32Array.from({ length }, (_, i) => i)
    return new CounterRandom(this.#context.seed, streams.epoch, this.#epoch).permutation(length)
  }

  async take(n: number): Promise<Example[]> {
    return Array.from({ length: n }, () => {
      if (this.#position === this.#training.length) {
        this.#epoch++
        this.#position = 0
        this.#order = this.#shuffled()
      }
      return this.#training[this.#order[this.#position++]!]!
    })
  }

  state(): State {
    return { epoch: this.#epoch, position: this.#position, rows: this.#training.length }
  }

  restore(state: unknown): void {
    const { epoch, position, rows } = (state ?? {}) as Partial<State>
    if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(position) || epoch! < 0 || position! < 0)
      throw new Error(
        `dataset ${name}: expected a state of epoch, position and rows, got ${JSON.stringify(state)}`,
      )
    if (rows !== this.#training.length || position! > rows)
      throw new Error(
        `dataset ${name}: expected the ${rows} training rows this run began with, got ${this.#training.length}; the file has changed`,
      )
    this.#epoch = epoch!
    this.#position = position!
    this.#order = this.#shuffled()
  }

  heldOut(n: number): Example[] {
    if (this.#heldOut.length === 0)
      throw new Error(
        `dataset ${name}: no row is held out; set dataset.held_out above 0, or dataset.eval_path`,
      )
    return this.#heldOut.slice(0, n)
  }
}

export async function open(given: DatasetOptions, context: DatasetContext): Promise<Dataset> {
  const options = readOptions<Options>(`dataset ${name}`, given, {
    path: text(""),
    eval_path: optionalText(),
    held_out: number(0.05, 0, 0.9),
    prompt_column: text("prompt"),
    answer_column: text("answer"),
    answer_after: optionalText(),
    prompt_template: text("{prompt}"),
    system_prompt: optionalText(),
    chat: flag(false),
  })
  if (options.path === "") throw new Error(`dataset ${name}: expected path, the file of rows, got none`)
  if (options.system_prompt !== null) options.chat = true
  const all = await examplesOf(options.path, options)
  const separate = options.eval_path === null ? null : await examplesOf(options.eval_path, options)
  const seen = new Set(separate?.map(({ prompt }) => prompt))
  const heldOut = separate ?? all.filter((example) => isHeldOut(example, options.held_out))
  const training = all.filter((row) =>
    separate === null ? !isHeldOut(row, options.held_out) : !seen.has(row.prompt),
  )
  if (training.length === 0)
    throw new Error(`${options.path}: expected rows to train on, got none of ${all.length}`)
  return new Jsonl(training, heldOut, context)
}
