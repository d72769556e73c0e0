// The public door of what both servers, of runs and of models, have in common.
export * from "./access.ts"
export * from "./listen.ts"
