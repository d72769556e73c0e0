// Opens the store of a runs folder: a queue in front of the database, written on a timer.
import { Queue, type Write } from "./queue.ts"
import { reader } from "./read.ts"
import { openSqlite, type Sqlite } from "./sqlite.ts"
import type { Store, StoreOptions } from "./types.ts"
import { removeRun, writeBatch } from "./write.ts"

const HEARTBEAT_MS = 5_000
const SLOWEST_RETRY_MS = 5_000
const CLOSE_PATIENCE_MS = 3_000
/** Writes in one transaction: short, so that a backlog is worked off without holding up the event loop. */
const BATCH = 64

export function openStore(path: string, options: StoreOptions = {}): Store {
  const { flushMs = 200, maxQueued = 50_000, warn = (message) => console.error(message) } = options
  const queue = new Queue(maxQueued)
  const live = new Set<string>()
  const kept = new Map<string, number>()
  let db: Sqlite | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let closed = false

  const connect = (): Sqlite => (db ??= openSqlite(path))

  /** true when nothing is left to write */
  function drain(): boolean {
    clearTimeout(timer)
    timer = undefined
    try {
      while (queue.length > 0) {
        const batch = queue.peek(BATCH)
        writeBatch(connect(), batch)
        queue.done(batch)
      }
    } catch (error) {
      failed(error)
      return false
    }
    if (failures > 0) recovered()
    return true
  }

  function failed(error: unknown): void {
    if (failures === 0) {
      const reason = error instanceof Error ? error.message : String(error)
      warn(`store: cannot write ${path}: ${reason}; the run goes on, and its records wait in memory`)
    }
    failures++
    schedule()
  }

  function recovered(): void {
    const lost = queue.dropped > 0 ? `; ${queue.dropped} completions were dropped meanwhile` : ""
    warn(`store: ${path} can be written again, and nothing else is waiting${lost}`)
    failures = 0
    queue.dropped = 0
  }

  function schedule(): void {
    if (closed || timer !== undefined) return
    const wait = failures === 0 ? flushMs : Math.min(SLOWEST_RETRY_MS, 250 * 2 ** failures)
    timer = setTimeout(drain, wait)
    timer.unref()
  }

  function add(write: Write): void {
    if (closed) throw new Error(`store: ${path} is closed; nothing can be recorded any more`)
    queue.add(write)
    schedule()
  }

  const beat = setInterval(() => {
    if (queue.length > 0) return
    for (const run of live) add({ kind: "heartbeat", run, time: Date.now() })
  }, HEARTBEAT_MS)
  beat.unref()

  return {
    ...reader(connect),

    createRun(run) {
      live.add(run.run)
      if (typeof run.recipe.keep_completions === "number") kept.set(run.run, run.recipe.keep_completions)
      add({ kind: "run", run, time: Date.now() })
    },
    recordCompletions(run, step, completions) {
      queue.hold(run, step, completions)
      schedule()
    },
    recordStep(run, step, metrics) {
      queue.close(run, step, metrics, Date.now(), kept.get(run))
      schedule()
    },
    recordEvaluation(run, step, metrics) {
      add({ kind: "evaluation", run, step, metrics, time: queue.moment(run, Date.now()) })
    },
    recordEvent(run, event) {
      add({ kind: "event", run, event, time: Date.now() })
    },
    setState(run, state, error) {
      if (state === "running" || state === "paused") live.add(run)
      else live.delete(run)
      add({ kind: "state", run, state, error, time: Date.now() })
    },
    forgetAfter(run, step) {
      add({ kind: "forget", run, step })
    },
    heartbeat(run) {
      add({ kind: "heartbeat", run, time: Date.now() })
    },

    async flush() {
      drain()
    },
    async removeRun(run) {
      removeRun(connect(), run)
    },
    async close() {
      if (closed) return
      const until = Date.now() + CLOSE_PATIENCE_MS
      while (!drain() && Date.now() < until) await Bun.sleep(100)
      closed = true
      clearTimeout(timer)
      clearInterval(beat)
      if (queue.length > 0)
        warn(`store: ${path} could not be written: its last ${queue.length} records are lost`)
      db?.$client.close()
    },
  }
}
