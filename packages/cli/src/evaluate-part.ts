// One task in one way of sampling: its items answered, kept, and summed up, with a line that says how far it is.
import { openDataset, type Tokenizer } from "@rectify/data"
import type { Engine } from "@rectify/engine"
import { type Item, Ledger, runItems, type Summary, summarize } from "@rectify/evaluation"
import { openRewards } from "@rectify/rewards"
import { answering, samplingOf } from "@rectify/trainer"
import { itemsFile } from "./evaluation-folder.ts"
import type { Part } from "./evaluation-parts.ts"
import type { Io } from "./io.ts"
import { type Progress, progressLine } from "./show/evaluation.ts"

/** Rows of the engine are kept busy: as many items at once as fill them twice. */
const ITEMS_AT_ONCE = 128
const TOLD_EVERY_MS = 200

export interface PartContext {
  engine: Engine
  tokenizer: Tokenizer
  seed: number
  folder: string
  io: Io
}

/** Undefined: it was stopped before the last item. */
export async function runPart(
  { name, task, sampling, limit }: Part,
  { engine, tokenizer, seed, folder, io }: PartContext,
): Promise<{ items: Item[]; summary: Summary } | undefined> {
  const dataset = await openDataset(task.dataset, task.options, { seed, only: "held-out", signal: io.stop })
  dataset.prepare?.(tokenizer)
  const most = Math.min(limit ?? Number.POSITIVE_INFINITY, task.size ?? Number.POSITIVE_INFINITY)
  const examples = dataset.heldOut(most)
  if (examples.length === 0)
    throw new Error(`task ${name}: expected items, got none held out in ${task.dataset}`)
  const rewards = await openRewards({
    funcs: task.rewards,
    settings: { max_completion_length: sampling.maxTokens },
  })
  const answer = answering({ engine, tokenizer, rewards, sampling: samplingOf(sampling, seed) })
  const ledger = Ledger.open(itemsFile(folder, name))
  const view = new PartView(name, examples.length, ledger, io)
  try {
    const items = await runItems({
      examples,
      answer,
      ledger,
      signal: io.stop,
      atOnce: Math.ceil(ITEMS_AT_ONCE / sampling.n),
      onItem: (item) => view.add(item),
    })
    return items.length < examples.length ? undefined : { items, summary: summarize(items) }
  } finally {
    view.end()
    ledger.close()
    rewards.close()
  }
}

class PartView {
  readonly #fresh: Item[] = []
  readonly #started = performance.now()
  #told = 0
  #right = 0

  constructor(
    private readonly part: string,
    private readonly total: number,
    private readonly ledger: Ledger,
    private readonly io: Io,
  ) {
    for (const item of ledger.items.values()) this.#right += share(item)
    if (ledger.items.size > 0) io.say(`${part}: ${ledger.items.size} of ${total} items are there already`)
  }

  add(item: Item): void {
    this.#fresh.push(item)
    this.#right += share(item)
    const { index, id, answers } = item
    const right = answers.filter(({ correct }) => correct).length
    void this.io.emit({ event: "item", task: this.part, index, id, right, answers: answers.length })
    if (this.io.live && performance.now() - this.#told > TOLD_EVERY_MS) this.#draw()
  }

  end(): void {
    if (this.#fresh.length === 0) return
    this.#draw()
    if (this.io.live) this.io.write("\n")
  }

  #draw(): void {
    this.#told = performance.now()
    const done = this.ledger.items.size
    const progress: Progress = {
      ...{ part: this.part, done, total: this.total, fresh: this.#fresh },
      seconds: (performance.now() - this.#started) / 1000,
    }
    const line = progressLine(progress, this.#right / done)
    if (this.io.live) this.io.write(`\r${line.slice(0, this.io.columns - 1)}\u001b[K`)
    else this.io.say(line)
  }
}

const share = ({ answers }: Item) => answers.filter(({ correct }) => correct).length / answers.length
