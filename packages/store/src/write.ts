// Writes a batch in one transaction; writing the same batch twice leaves the same rows, so a failed flush can be repeated.
import { and, eq, gt, lte } from "drizzle-orm"
import { insertCompletions, insertMetrics, type Transaction } from "./insert.ts"
import { codeVersion, machine } from "./machine.ts"
import type { Write } from "./queue.ts"
import * as t from "./schema-sqlite.ts"
import type { Sqlite } from "./sqlite.ts"

export function writeBatch(db: Sqlite, batch: readonly Write[]): void {
  db.transaction(
    (tx) => {
      for (const write of batch) apply(tx, write)
    },
    { behavior: "immediate" },
  )
}

function apply(tx: Transaction, write: Write): void {
  switch (write.kind) {
    case "run":
      putRun(tx, write)
      break
    case "step":
      putStep(tx, write)
      break
    case "evaluation": {
      const { run, step, time } = write
      const metrics = numbers(write.metrics)
      tx.insert(t.evaluations)
        .values({ run, step, time, metrics })
        .onConflictDoUpdate({ target: [t.evaluations.run, t.evaluations.step], set: { metrics, time } })
        .run()
      break
    }
    case "event":
      tx.insert(t.events)
        .values({ run: write.run, time: write.time, ...write.event })
        .run()
      break
    case "state":
      tx.update(t.runs)
        .set({ state: write.state, error: write.error ?? null, heartbeat: write.time })
        .where(eq(t.runs.id, write.run))
        .run()
      tx.insert(t.events)
        .values({ run: write.run, time: write.time, kind: "state", message: write.error ?? write.state })
        .run()
      break
    case "heartbeat":
      tx.update(t.runs).set({ heartbeat: write.time }).where(eq(t.runs.id, write.run)).run()
      break
    case "forget":
      forget(tx, write.run, write.step)
      break
  }
}

function putRun(tx: Transaction, { run: record, time }: Write & { kind: "run" }): void {
  const { run, run_dir, recipe, seed, steps, name = run } = record
  const fresh = {
    name,
    run_dir,
    recipe,
    seed,
    steps,
    state: "running" as const,
    error: null,
    heartbeat: time,
  }
  const made = { code_version: codeVersion(), machine: machine() }
  tx.insert(t.runs)
    .values({ id: run, ...fresh, ...made, step: 0, created: time })
    .onConflictDoUpdate({ target: t.runs.id, set: { ...fresh, ...made } })
    .run()
}

function putStep(tx: Transaction, write: Write & { kind: "step" }): void {
  const { run, step, time, metrics, completions, keep } = write
  if (completions.length > 0) insertCompletions(tx, run, step, completions)
  if (metrics === undefined) return
  insertMetrics(tx, run, step, metrics)
  tx.insert(t.steps).values({ run, step, time }).onConflictDoNothing().run()
  tx.update(t.runs).set({ step, heartbeat: time }).where(eq(t.runs.id, run)).run()
  if (keep !== undefined)
    tx.delete(t.completions)
      .where(and(eq(t.completions.run, run), lte(t.completions.step, step - keep)))
      .run()
}

function forget(tx: Transaction, run: string, step: number): void {
  for (const table of [t.metrics, t.completions, t.evaluations, t.steps]) {
    tx.delete(table)
      .where(and(eq(table.run, run), gt(table.step, step)))
      .run()
  }
  tx.update(t.runs).set({ step }).where(eq(t.runs.id, run)).run()
}

/** At once, not through the queue: nothing else writes to a run that has ended. */
export function removeRun(db: Sqlite, run: string): void {
  db.transaction(
    (tx) => {
      for (const table of [t.metrics, t.completions, t.evaluations, t.steps, t.events])
        tx.delete(table).where(eq(table.run, run)).run()
      tx.delete(t.runs).where(eq(t.runs.id, run)).run()
    },
    { behavior: "immediate" },
  )
}

function numbers(record: object): Record<string, number> {
  const kept = Object.entries(record).filter((entry): entry is [string, number] => Number.isFinite(entry[1]))
  return Object.fromEntries(kept)
}
