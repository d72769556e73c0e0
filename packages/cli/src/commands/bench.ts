// `bench`: our figures beside the peers', measured in the same run where a peer is installed.
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { nearest } from "@rectify/data"
import Table from "cli-table3"
import { type BenchFile, type BenchLine, benchLine } from "../bench.ts"
import { type Args, type Command, EXIT, UsageError } from "../command.ts"
import type { Io } from "../io.ts"

const folder = join(import.meta.dir, "../../../../bench")

const names = () =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.replace(/\.ts$/, ""))
    .sort()

const command: Command = {
  summary: "measure our kernels and steps, beside PyTorch and TRL where they are installed",
  usage: "[NAME ...] [--quick]",
  about: `Runs the files of bench/ by name, all of them without one. A peer is measured in the same run when a Python with torch
is found (RECTIFY_PEER_PYTHON, or python3), else our figure stands alone. A ratio above 1 means that we are better.`,
  positionals: ["NAME..."],
  flags: { quick: { type: "boolean", help: "small sizes, few repetitions: only to see that it runs" } },
  examples: [
    ["bench", "everything"],
    ["bench matmul token-logprob --json", "two of them, a JSON line per case"],
  ],
  run,
}
export default command

async function run({ positionals, flags }: Args, io: Io): Promise<number> {
  const known = names()
  for (const name of positionals) {
    if (known.includes(name)) continue
    const meant = nearest(name, known)
    throw new UsageError(
      `"${name}": no such benchmark${meant ? `; did you mean ${meant}?` : ""} known: ${known.join(" ")}`,
    )
  }
  const options = {
    threads: Number(flags.threads ?? 1),
    device: String(flags.device ?? "cpu"),
    seed: Number(flags.seed ?? 0),
    quick: flags.quick === true,
  }
  const lines: BenchLine[] = []
  for (const name of positionals.length > 0 ? positionals : known) {
    const file = (await import(join(folder, `${name}.ts`))) as BenchFile
    const pending: Promise<void>[] = []
    if (!io.json) io.say(io.colors.bold(name))
    await file.run((result) => {
      const line = benchLine(name, result)
      lines.push(line)
      pending.push(io.emit(line))
      if (!io.json) io.say(`  ${describe(line)}`)
    }, options)
    await Promise.all(pending)
    if (io.stop.aborted) return EXIT.interrupted
  }
  if (!io.json && lines.length > 1) io.say(table(lines))
  return EXIT.ok
}

const digits = (n: number) => (n >= 100 ? n.toFixed(0) : n.toPrecision(3))

const describe = ({ case: name, ours, unit, peer, theirs, ratio }: BenchLine) =>
  `${name}: ${digits(ours)} ${unit}${theirs === null ? "" : `, ${peer} ${digits(theirs)} ${unit}${ratio === null ? "" : `, ${ratio.toFixed(2)}x`}`}`

function table(lines: readonly BenchLine[]): string {
  const out = new Table({
    head: ["benchmark", "case", "ours", "peer", "ratio"],
    style: { head: [], border: [] },
  })
  for (const { bench, case: name, ours, unit, peer, theirs, ratio } of lines)
    out.push([
      bench,
      name,
      `${digits(ours)} ${unit}`,
      theirs === null ? "-" : `${digits(theirs)} ${unit} (${peer})`,
      ratio === null ? "-" : `${ratio.toFixed(2)}x`,
    ])
  return out.toString()
}
