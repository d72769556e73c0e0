// What a file in commands/ exports: its words for --help, its flags, and what it does. Found by its name.
import type { Io } from "./io.ts"

export interface Flag {
  type: "boolean" | "string" | "integer" | "number"
  /** how --help names the value: "N", "DIR" */
  value?: string
  help: string
  minimum?: number
}

export type Flags = Record<string, Flag>

export interface Args {
  positionals: string[]
  flags: Record<string, string | number | boolean>
  /** flags that are not the command's own, in order: recipe keys, for train */
  overrides: [key: string, value: string][]
}

export interface Command {
  /** one line for the list of commands */
  summary: string
  /** after the name: "[RECIPE] [--key value ...]" */
  usage: string
  about: string
  flags: Flags
  /** names of what comes without a flag; the last takes the rest when it ends with "..." */
  positionals: string[]
  /** unknown flags are passed on instead of refused */
  takesOverrides?: boolean
  examples: [command: string, meaning: string][]
  /** resolves to the exit code */
  run(args: Args, io: Io): Promise<number>
}

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** The caller typed something that cannot be done: exit 2. */
export class UsageError extends Error {
  override name = "UsageError"
}

/** Every command takes these. */
export const commonFlags: Flags = {
  json: { type: "boolean", help: "one JSON object per line on stdout; text for people goes to stderr" },
  threads: { type: "integer", value: "N", help: "CPU threads; 0: one per core (default)", minimum: 0 },
  device: { type: "string", value: "DEVICE", help: "cpu (default), cuda or cuda:N" },
  seed: { type: "integer", value: "N", help: "everything random is keyed by it", minimum: 0 },
  help: { type: "boolean", help: "this text" },
}
