// The public door of the trainer: recipes in, events out.
export * from "./events.ts"
export * from "./recorder.ts"
