// `serve`: the status API over the runs on this machine, without training anything.
import { join, resolve } from "node:path"
import { DEFAULT_PORT, serve } from "@rectify/api"
import { openStore } from "@rectify/store"
import { type Args, type Command, EXIT } from "../command.ts"
import type { Io } from "../io.ts"

const command: Command = {
  summary: "serve the status API over the runs of this machine",
  usage: "[--port N] [--runs_dir DIR]",
  about:
    "Answers GET /health, /api/runs, /api/runs/:id and /api/runs/:id/metrics on the loopback address, also while runs go on.",
  positionals: [],
  flags: {
    port: {
      type: "integer",
      value: "N",
      help: `default ${DEFAULT_PORT}, or any free one when it is taken`,
      minimum: 0,
    },
    runs_dir: { type: "string", value: "DIR", help: "where runs and the store are; default ./runs" },
  },
  examples: [
    ["serve", `then: curl http://127.0.0.1:${DEFAULT_PORT}/api/runs`],
    ["serve --port 0 --json", "any free port, told as JSON"],
  ],
  run,
}
export default command

async function run({ flags }: Args, io: Io): Promise<number> {
  const store = openStore(join(resolve(String(flags.runs_dir ?? "runs")), "rectify.db"), { warn: io.warn })
  const served = serve(store, { port: flags.port as number | undefined })
  try {
    await io.emit({ event: "listening", url: served.url, port: served.port })
    if (!io.json) io.say(`listening on ${served.url}; Ctrl-C ends it`)
    await new Promise<void>((resolve) => {
      if (io.stop.aborted) resolve()
      io.stop.addEventListener("abort", () => resolve())
    })
    return EXIT.ok
  } finally {
    await served.stop()
    await store.close()
  }
}
