// Reads over many points: ranges of steps summed up by the database, and what came after a moment.
import { and, asc, desc, eq, gt, lte, max, min, sql } from "drizzle-orm"
import * as t from "./schema-sqlite.ts"
import type { Sqlite } from "./sqlite.ts"
import type { Bucket, BucketsQuery, Position, StoredStep } from "./types.ts"

export async function buckets(db: Sqlite, run: string, query: BucketsQuery): Promise<Bucket[]> {
  const { names, count } = query
  if (names.length === 0) return []
  const [known] = await db
    .select({ first: min(t.steps.step), last: max(t.steps.step) })
    .from(t.steps)
    .where(eq(t.steps.run, run))
  const from = Math.max(query.from_step ?? 0, known?.first ?? 0)
  const to = Math.min(query.to_step ?? Number.MAX_SAFE_INTEGER, known?.last ?? -1)
  if (to < from) return []
  const whole = (n: number) => sql`CAST(${n} AS INTEGER)`
  const bucket = sql`(step - ${whole(from)}) * ${whole(count)} / ${whole(to - from + 1)}`
  return await db.all<Bucket>(sql`
    SELECT name, min(step) AS first, max(step) AS last, min(value) AS min, avg(value) AS mean, max(value) AS max,
      count(value) AS count
    FROM ${t.metrics}
    WHERE run = ${run} AND step BETWEEN ${from} AND ${to}
      AND name IN (${sql.join(
        names.map((name) => sql`${name}`),
        sql`, `,
      )})
    GROUP BY name, ${bucket}
    ORDER BY name, first`)
}

export async function stepsAfter(
  db: Sqlite,
  run: string,
  time: number,
  limit: number,
): Promise<StoredStep[]> {
  const closed = await db
    .select({ step: t.steps.step, time: t.steps.time })
    .from(t.steps)
    .where(and(eq(t.steps.run, run), gt(t.steps.time, time)))
    .orderBy(asc(t.steps.time))
    .limit(limit)
  const steps: StoredStep[] = []
  const names = closed.length > 0 ? await metricNames(db, run) : []
  for (const { step, time } of closed) {
    // One look-up in the key per name: the key is (run, name, step), so that charts are read in one piece.
    const rows = await db.all<{ name: string; value: number | null }>(sql`
      SELECT name, value FROM ${t.metrics} WHERE run = ${run} AND step = ${step}
        AND name IN (SELECT value FROM json_each(${JSON.stringify(names)}))`)
    steps.push({ step, time, metrics: Object.fromEntries(rows.map(({ name, value }) => [name, value])) })
  }
  return steps
}

export async function position(db: Sqlite, run: string, until: number): Promise<Position> {
  const newest = async (table: typeof t.steps | typeof t.evaluations) => {
    const [row] = await db
      .select({ time: max(table.time) })
      .from(table)
      .where(and(eq(table.run, run), lte(table.time, until)))
    return row?.time ?? 0
  }
  const [event] = await db
    .select({ id: t.events.id })
    .from(t.events)
    .where(and(eq(t.events.run, run), lte(t.events.time, until)))
    .orderBy(desc(t.events.id))
    .limit(1)
  return {
    step_time: await newest(t.steps),
    evaluation_time: await newest(t.evaluations),
    event: event?.id ?? 0,
  }
}

/** Steps from name to name through the index: as many look-ups as names, however many points are stored. */
export async function metricNames(db: Sqlite, run: string): Promise<string[]> {
  const rows = await db.all<{ name: string }>(sql`
    WITH RECURSIVE names(name) AS (
      SELECT min(name) FROM ${t.metrics} WHERE run = ${run}
      UNION ALL
      SELECT (SELECT min(m.name) FROM ${t.metrics} m WHERE m.run = ${run} AND m.name > names.name)
      FROM names WHERE names.name IS NOT NULL
    ) SELECT name FROM names WHERE name IS NOT NULL`)
  return rows.map((row) => row.name)
}
