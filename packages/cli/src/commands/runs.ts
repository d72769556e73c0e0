// `runs`: what the store of this machine holds: list, show, export, remove.
import { existsSync, rmSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { openStore, type Run, type Store } from "@rectify/store"
import Table from "cli-table3"
import { type Args, type Command, EXIT, UsageError } from "../command.ts"
import type { Io } from "../io.ts"

const PAGE = 100
const ways = ["list", "show", "export", "rm"]

const command: Command = {
  summary: "list, show, export or remove the runs of this machine",
  usage: "list | show RUN | export RUN | rm RUN [--files]",
  about: `Reads the store itself, so no server is needed. \`export\` writes everything of a run as JSON lines to stdout: run,
step, evaluation, event, completion. \`rm\` takes a run out of the store; its folder stays unless --files is given.`,
  positionals: ["list|show|export|rm", "RUN"],
  flags: {
    files: { type: "boolean", help: "rm: the run's folder too, with its checkpoints" },
    runs_dir: { type: "string", value: "DIR", help: "where runs and the store are; default ./runs" },
  },
  examples: [
    ["runs list", "newest first"],
    ["runs export quickstart-20260115-093012 > run.jsonl", "all of it"],
    ["runs rm quickstart-20260115-093012 --files", "with its checkpoints"],
  ],
  run,
}
export default command

async function run({ positionals, flags }: Args, io: Io): Promise<number> {
  const [way = "list", name] = positionals
  if (!ways.includes(way)) throw new UsageError(`runs: expected ${ways.join(", ")}, got "${way}"`)
  const file = join(resolve(String(flags.runs_dir ?? "runs")), "rectify.db")
  if (!existsSync(file))
    throw new UsageError(`runs: expected a store at ${file}, got nothing there; give --runs_dir`)
  const store = openStore(file, { warn: io.warn })
  try {
    if (way === "list") return await list(store, io)
    if (name === undefined) throw new UsageError(`runs ${way}: expected a run, got nothing`)
    const found = await store.getRun(basename(name))
    if (!found) throw new UsageError(`runs ${way}: expected a run, got "${name}"; \`bun run runs list\``)
    if (way === "show") return await show(found, io)
    if (way === "export") return await exported(store, found)
    return await remove(store, found, flags.files === true, io)
  } finally {
    await store.close()
  }
}

async function list(store: Store, io: Io): Promise<number> {
  const table = new Table({ head: ["run", "state", "step", "started"], style: { head: [], border: [] } })
  for (let offset = 0; ; offset += PAGE) {
    const { items } = await store.listRuns({ limit: PAGE, offset })
    for (const { id, state, step, steps, created, seed } of items) {
      await io.emit({ event: "run", id, state, step, steps, created, seed })
      table.push([id, state, `${step}/${steps}`, new Date(created).toISOString().slice(0, 16)])
    }
    if (items.length < PAGE) break
  }
  if (!io.json) io.say(table.length === 0 ? "no runs yet" : table.toString())
  return EXIT.ok
}

async function show(found: Run, io: Io): Promise<number> {
  await io.emit({ event: "run", ...found })
  if (!io.json) io.say(JSON.stringify(found, null, 2))
  return EXIT.ok
}

/** Page by page, so that a large run needs little memory. */
async function exported(store: Store, found: Run): Promise<number> {
  const out = Bun.stdout.writer()
  const line = (event: string, record: object) => out.write(`${JSON.stringify({ event, ...record })}\n`)
  line("run", found)
  let after = 0
  for (;;) {
    const steps = await store.stepsAfter(found.id, after, PAGE)
    for (const step of steps) line("step", step)
    await out.flush()
    if (steps.length < PAGE) break
    after = steps.at(-1)!.time
  }
  for (const evaluation of await store.evaluations(found.id)) line("evaluation", evaluation)
  for (let last = 0; ; ) {
    const events = await store.events(found.id, { after: last, limit: PAGE })
    for (const { run: _run, ...event } of events) line("event", event)
    if (events.length < PAGE) break
    last = events.at(-1)!.id
  }
  for (let offset = 0; ; offset += PAGE) {
    const { items } = await store.completions(found.id, { limit: PAGE, offset })
    for (const completion of items) line("completion", completion)
    await out.flush()
    if (items.length < PAGE) break
  }
  await out.end()
  return EXIT.ok
}

async function remove(store: Store, found: Run, files: boolean, io: Io): Promise<number> {
  if (found.state === "running" || found.state === "paused")
    throw new Error(
      `${found.id}: expected a run that has ended, got one that goes on; \`bun run stop ${found.id}\``,
    )
  await store.removeRun(found.id)
  if (files) rmSync(found.run_dir, { recursive: true, force: true })
  await io.emit({ event: "removed", run: found.id, files })
  if (!io.json)
    io.say(`removed ${found.id}${files ? ` and ${found.run_dir}` : `; its folder is still ${found.run_dir}`}`)
  return EXIT.ok
}
