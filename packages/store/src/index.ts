// The store: what runs record, in SQLite through Drizzle.
export * from "./open.ts"
export { LOST_AFTER_MS } from "./read.ts"
export * from "./types.ts"
