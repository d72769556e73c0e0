// Turns what was typed into positionals, flags and recipe overrides, or says what is wrong and what was probably meant.
import { nearest } from "@rectify/data"
import { type Args, type Command, commonFlags, type Flag, UsageError } from "./command.ts"

export function parseArgs(
  command: Pick<Command, "flags" | "positionals" | "takesOverrides">,
  argv: readonly string[],
): Args {
  const known = { ...command.flags, ...commonFlags }
  const args: Args = { positionals: [], flags: {}, overrides: [] }
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === "--") {
      args.positionals.push(...argv.slice(i + 1))
      break
    }
    if (word === "-h") args.flags.help = true
    else if (!word.startsWith("--")) args.positionals.push(word)
    else {
      const equals = word.indexOf("=")
      const typed = equals < 0 ? word.slice(2) : word.slice(2, equals)
      const inline = equals < 0 ? undefined : word.slice(equals + 1)
      const name = spelling(typed, known)
      const flag = known[name]
      const next = argv[i + 1]
      if (flag === undefined) {
        if (!command.takesOverrides) throw unknownFlag(typed, Object.keys(known))
        const follows = inline === undefined && next !== undefined && !next.startsWith("--")
        args.overrides.push([underscored(typed), inline ?? (follows ? next : "true")])
        if (follows) i++
      } else if (flag.type === "boolean") {
        if (inline !== undefined && inline !== "true" && inline !== "false")
          throw new UsageError(`--${typed}: expected no value, true or false, got "${inline}"`)
        args.flags[name] = inline !== "false"
      } else {
        const text = inline ?? next
        if (text === undefined || (inline === undefined && text.startsWith("--")))
          throw new UsageError(`--${typed}: expected ${expected(flag)}, got nothing`)
        if (inline === undefined) i++
        args.flags[name] = value(typed, flag, text)
      }
    }
  }
  checkPositionals(command.positionals, args)
  return args
}

/** --output-dir and --output_dir are the same flag. */
function spelling(typed: string, known: Record<string, Flag>): string {
  return (
    [typed, underscored(typed), typed.replaceAll("_", "-")].find((name) => Object.hasOwn(known, name)) ??
    typed
  )
}

const underscored = (key: string) => key.replaceAll("-", "_")

function value(typed: string, flag: Flag, text: string): string | number {
  if (flag.type === "string") return text
  const number = text.trim() === "" ? Number.NaN : Number(text)
  const fits =
    Number.isFinite(number) &&
    (flag.type === "number" || Number.isSafeInteger(number)) &&
    number >= (flag.minimum ?? -Infinity)
  if (!fits) throw new UsageError(`--${typed}: expected ${expected(flag)}, got "${text}"`)
  return number
}

function expected({ type, minimum }: Flag): string {
  if (type === "string") return "a value"
  const kind = type === "integer" ? "a whole number" : "a number"
  return minimum === undefined ? kind : `${kind}, at least ${minimum}`
}

function unknownFlag(typed: string, known: string[]): UsageError {
  const meant = nearest(typed, known)
  const list = known.map((name) => `--${name}`).join(" ")
  return new UsageError(`--${typed}: no such flag${meant ? `; did you mean --${meant}?` : ""} known: ${list}`)
}

function checkPositionals(names: string[], { positionals }: Args): void {
  if (names.at(-1)?.endsWith("...") || positionals.length <= names.length) return
  const takes = names.length === 0 ? "nothing without a flag" : names.join(" ")
  throw new UsageError(`"${positionals[names.length]}": expected ${takes}, got one word too many`)
}
