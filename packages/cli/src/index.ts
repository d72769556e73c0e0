// What other parts of the repository use of the commands: the shape of a benchmark.
export * from "./bench.ts"
