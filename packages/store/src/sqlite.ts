// Opens a SQLite file: WAL, so that readers and several trainers work side by side, and the migrations applied.
import { Database } from "bun:sqlite"
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { drizzle } from "drizzle-orm/bun-sqlite"
import { migrate } from "drizzle-orm/bun-sqlite/migrator"
import * as schema from "./schema-sqlite.ts"

export const BUSY_TIMEOUT_MS = 50

export function openSqlite(path: string) {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true })
  const client = new Database(path, { create: true })
  try {
    // A writer waits in the queue rather than here, where it would hold up the event loop.
    client.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    client.run("PRAGMA journal_mode = WAL")
    client.run("PRAGMA synchronous = NORMAL")
    const db = drizzle(client, { schema })
    migrate(db, { migrationsFolder: join(import.meta.dir, "../drizzle/sqlite") })
    return db
  } catch (error) {
    client.close()
    throw error
  }
}

export type Sqlite = ReturnType<typeof openSqlite>
