// The store: what runs record, in SQLite through Drizzle.
export * from "./types.ts"
