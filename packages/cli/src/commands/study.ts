// `study`: the variants of studies/NAME.yaml, each with every seed, and one table of what came out.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { nearest } from "@rectify/data"
import { parse } from "yaml"
import { type Args, type Command, EXIT, UsageError } from "../command.ts"
import type { Io } from "../io.ts"
import { meanAndSpread, studyTable } from "../show/study.ts"

const root = join(import.meta.dir, "../../../..")
const main = join(import.meta.dir, "../main.ts")
const folder = join(root, "studies")

export interface Study {
  recipe: string
  seeds: number[]
  /** what to read off the evaluation at the end: "accuracy", "measures.rechecks" */
  columns: string[]
  /** recipe overrides of every run */
  base?: Record<string, unknown>
  /** recipe overrides by the variant's name */
  variants: Record<string, Record<string, unknown>>
}

/** What one run left behind: the evaluation before its first step and after its last. */
interface Outcome {
  before: Record<string, unknown>
  after: Record<string, unknown>
  seconds: number
}

const names = () =>
  readdirSync(folder)
    .map((file) => file.replace(/\.yaml$/, ""))
    .sort()

const command: Command = {
  summary: "train every variant of a study with every seed, and print the table",
  usage: "NAME [--steps N] [--jobs N] [--seeds 1,2,3] [--variants A,B] [--output_dir DIR]",
  about: `A study is studies/NAME.yaml: a recipe, seeds, and variants of it. Runs that are already there are not repeated, so a
study can be stopped and started again; the warm start of a seed is shared by its variants.`,
  positionals: ["NAME"],
  flags: {
    steps: { type: "integer", value: "N", help: "RL steps of every run; default: the recipe's", minimum: 1 },
    jobs: { type: "integer", value: "N", help: "runs at a time, with --threads each; default 1", minimum: 1 },
    seeds: { type: "string", value: "LIST", help: "instead of the study's own: 1,2,3" },
    variants: { type: "string", value: "LIST", help: "only those whose name contains one of these words" },
    output_dir: { type: "string", value: "DIR", help: "where the runs are kept; default runs/study-NAME" },
  },
  examples: [
    ["study repro", "RePro, its parts and its controls on the quickstart"],
    ["study repro --jobs 2 --threads 1 --variants plain,penalty", "two of them, side by side"],
  ],
  run,
}
export default command

async function run({ positionals, flags }: Args, io: Io): Promise<number> {
  const [name = ""] = positionals
  if (!names().includes(name)) {
    const meant = nearest(name, names())
    throw new UsageError(
      `study: expected a study, got "${name}"${meant ? `; did you mean ${meant}?` : ""} known: ${names().join(" ")}`,
    )
  }
  const study = parse(readFileSync(join(folder, `${name}.yaml`), "utf8")) as Study
  const seeds = flags.seeds === undefined ? study.seeds : seedList(String(flags.seeds))
  const words = flags.variants === undefined ? [""] : String(flags.variants).split(",")
  const variants = Object.entries(study.variants).filter(([variant]) =>
    words.some((word) => variant.includes(word)),
  )
  if (variants.length === 0)
    throw new UsageError(
      `--variants: expected part of a variant's name, got "${flags.variants}"; known: ${Object.keys(study.variants).join(", ")}`,
    )
  const dir = resolve(String(flags.output_dir ?? `runs/study-${name}`))
  mkdirSync(dir, { recursive: true })

  // Seeds go in front: the first run of a seed makes the warm start that its other variants share.
  const jobs = seeds.flatMap((seed) => variants.map(([variant, overrides]) => ({ seed, variant, overrides })))
  const outcomes = new Map<string, Outcome[]>()
  const next = async (): Promise<void> => {
    const job = jobs.shift()
    if (job === undefined || io.stop.aborted) return
    const outcome = await outcomeOf(job, study, dir, flags, io)
    outcomes.set(job.variant, [...(outcomes.get(job.variant) ?? []), outcome])
    await io.emit({ event: "outcome", variant: job.variant, seed: job.seed, ...outcome })
    if (!io.json)
      io.say(
        io.colors.dim(
          `${job.variant}, seed ${job.seed}: ${study.columns.map((column) => `${column} ${read(outcome.after, column).toFixed(3)}`).join("  ")}`,
        ),
      )
    return next()
  }
  await Promise.all(Array.from({ length: Number(flags.jobs ?? 1) }, next))
  if (io.stop.aborted) return EXIT.interrupted

  const rows = variants.map(([variant]) => {
    const runs = outcomes.get(variant)!
    return {
      variant,
      runs: runs.length,
      cells: study.columns.map((column) => ({
        before: meanAndSpread(runs.map(({ before }) => read(before, column))),
        after: meanAndSpread(runs.map(({ after }) => read(after, column))),
      })),
    }
  })
  await io.emit({ event: "table", columns: study.columns, rows })
  if (!io.json) io.say(studyTable(study.columns, rows))
  return EXIT.ok
}

async function outcomeOf(
  { seed, variant, overrides }: { seed: number; variant: string; overrides: Record<string, unknown> },
  { recipe, base }: Study,
  dir: string,
  flags: Args["flags"],
  io: Io,
): Promise<Outcome> {
  const slug = `${variant
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-|-$/g, "")}-seed${seed}`
  const kept = join(dir, `${slug}.json`)
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, "utf8")) as Outcome
  const keys = Object.entries({ ...base, ...overrides }).flatMap(([key, value]) => [
    `--${key}`,
    JSON.stringify(value),
  ])
  const steps = flags.steps === undefined ? [] : ["--steps", String(flags.steps)]
  const threads = flags.threads === undefined ? [] : ["--threads", String(flags.threads)]
  const run_dir = join(dir, `${slug}-${Date.now()}`)
  const child = Bun.spawn(
    [
      process.execPath,
      main,
      "train",
      join(root, recipe),
      "--json",
      "--no-api",
      "--seed",
      String(seed),
      "--output_dir",
      run_dir,
      ...keys,
      ...steps,
      ...threads,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  )
  const stop = () => child.kill("SIGTERM")
  io.stop.addEventListener("abort", stop)
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  io.stop.removeEventListener("abort", stop)
  const last = JSON.parse(out.trimEnd().split("\n").at(-1) || "{}")
  if (last.event !== "done")
    throw new Error(
      `study: ${slug} ended with exit code ${code}: ${last.message ?? err.trim().split("\n").at(-1)}`,
    )
  const { before, after, seconds } = last
  writeFileSync(kept, `${JSON.stringify({ variant, seed, before, after, seconds })}\n`)
  return { before, after, seconds }
}

function seedList(text: string): number[] {
  const seeds = text.split(",").map(Number)
  if (seeds.every((seed) => Number.isInteger(seed) && seed >= 0)) return seeds
  throw new UsageError(`--seeds: expected whole numbers as 1,2,3, got "${text}"`)
}

/** "measures.rechecks" of an evaluation; NaN where it has none. */
export function read(evaluation: Record<string, unknown>, column: string): number {
  let value: unknown = evaluation
  for (const key of column.split(".")) value = (value as Record<string, unknown> | undefined)?.[key]
  return typeof value === "number" ? value : Number.NaN
}
