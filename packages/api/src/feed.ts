// What is new in a run, as frames of an event stream, read once for all who are at the same place.
import type { Position, Reader, Run, StoredCompletion } from "@rectify/store"
import { summary } from "./routes/runs.ts"

/** Steps of one page: what a reader who is behind is sent at a time. */
const PAGE_STEPS = 50
const PAGE_EVENTS = 200
const PREVIEW = 240
const STEP_COMPLETIONS = 64

export interface FeedPage {
  text: string
  next: string
}

/** Last-Event-ID: how far a reader has seen a run. */
export const cursorOf = ({ step_time, evaluation_time, event }: Position): string =>
  `${step_time}.${evaluation_time}.${event}`

export function positionOf(cursor: string): Position | undefined {
  const parts = /^(\d{1,16})\.(\d{1,16})\.(\d{1,16})$/.exec(cursor)?.slice(1).map(Number)
  return parts && { step_time: parts[0]!, evaluation_time: parts[1]!, event: parts[2]! }
}

/** Remembers the newest pages only, so that two hundred readers of one run ask the database once, and memory stays small. */
export class Feed {
  #asked = new Map<string, { at: number; page: Promise<FeedPage | undefined> }>()
  #state = new Map<string, { at: number; text: Promise<string> }>()

  constructor(
    private readonly store: Reader,
    /** an answer this young is given again, milliseconds */
    private readonly freshMs = 200,
    private readonly most = 64,
  ) {}

  /** undefined: nothing is new */
  after(run: string, cursor: string): Promise<FeedPage | undefined> {
    return this.#once(this.#asked, `${run}\n${cursor}`, (at) => ({
      at,
      page: this.#read(run, positionOf(cursor)!),
    })).page
  }

  /** The run's state as one frame without an id: current, never replayed. */
  state(run: string): Promise<string> {
    return this.#once(this.#state, run, (at) => ({ at, text: this.#readState(run) })).text
  }

  #once<T extends { at: number }>(known: Map<string, T>, key: string, make: (at: number) => T): T {
    const now = performance.now()
    const last = known.get(key)
    if (last !== undefined && now - last.at < this.freshMs) return last
    known.delete(key)
    const made = make(now)
    known.set(key, made)
    for (const old of known.keys()) {
      if (known.size <= this.most) break
      known.delete(old)
    }
    return made
  }

  async #readState(run: string): Promise<string> {
    const found = await this.store.getRun(run)
    return found === undefined ? frame("state", { id: run, state: "removed" }) : frame("state", shown(found))
  }

  async #read(run: string, from: Position): Promise<FeedPage | undefined> {
    const at = { ...from }
    const frames: string[] = []
    for (const { id, kind, message, step, time } of await this.store.events(run, {
      after: from.event,
      limit: PAGE_EVENTS,
    })) {
      at.event = id
      frames.push(frame("event", { id, kind, message, step, time }, cursorOf(at)))
    }
    for (const evaluation of await newEvaluations(this.store, run, from)) {
      at.evaluation_time = evaluation.time
      frames.push(frame("evaluation", evaluation, cursorOf(at)))
    }
    for (const step of await this.store.stepsAfter(run, from.step_time, PAGE_STEPS)) {
      const { items, total } = await this.store.completions(run, { step: step.step, limit: STEP_COMPLETIONS })
      // Without an id: who is cut off between the two gets both again.
      if (total > 0)
        frames.push(frame("completions", { step: step.step, total, completions: items.map(preview) }))
      at.step_time = step.time
      frames.push(frame("step", step, cursorOf(at)))
    }
    return frames.length === 0 ? undefined : { text: frames.join(""), next: cursorOf(at) }
  }
}

/** By time, so that a cursor in the middle misses none. */
async function newEvaluations(store: Reader, run: string, { evaluation_time }: Position) {
  const found = await store.evaluations(run, { after: evaluation_time })
  return found.map(({ step, time, metrics }) => ({ step, time, metrics })).sort((a, b) => a.time - b.time)
}

/** Without the heartbeat, which says nothing new. */
function shown(run: Run) {
  const { heartbeat: _heartbeat, ...rest } = summary(run)
  return rest
}

function preview(row: StoredCompletion) {
  const { id, prompt_id, sample, prompt, completion, correct, reward, advantage, length, finish_reason } = row
  return {
    id,
    prompt_id,
    sample,
    prompt: prompt.slice(0, PREVIEW),
    completion: completion.slice(0, PREVIEW),
    correct,
    reward,
    advantage,
    length,
    finish_reason,
  }
}

const frame = (event: string, data: unknown, id?: string) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
