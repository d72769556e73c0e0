// The status API as one Elysia app over a store; `serve` listens with it, tests call it in process.
import { openapi } from "@elysiajs/openapi"
import type { Reader } from "@rectify/store"
import { Elysia } from "elysia"
import manifest from "../package.json"
import { onError } from "./errors.ts"
import { health } from "./routes/health.ts"
import { metrics } from "./routes/metrics.ts"
import { runs } from "./routes/runs.ts"

export function createApp(store: Reader) {
  return new Elysia()
    .onError({ as: "global" }, onError)
    .onRequest(({ set }) => {
      set.headers["x-content-type-options"] = "nosniff"
      set.headers["cache-control"] = "no-store"
    })
    .use(
      openapi({
        provider: null,
        path: "/openapi",
        specPath: "/openapi.json",
        documentation: {
          info: {
            title: "Rectify",
            version: manifest.version,
            description: "What a run is doing, and what it did.",
          },
          tags: [{ name: "runs" }, { name: "server" }],
        },
      }),
    )
    .use(health())
    .use(runs(store))
    .use(metrics(store))
}

export type App = ReturnType<typeof createApp>
