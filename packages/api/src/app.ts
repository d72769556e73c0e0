// The status API as one Elysia app over a store; `serve` listens with it, tests call it in process.
import { openapi } from "@elysiajs/openapi"
import { isLoopback } from "@rectify/http"
import type { Controller, Reader } from "@rectify/store"
import { Elysia } from "elysia"
import manifest from "../package.json"
import { onError } from "./errors.ts"
import { type Access, admit, headersFor, signedIn } from "./guard.ts"
import { completions } from "./routes/completions.ts"
import { CONTROL_WAIT_MS, control } from "./routes/control.ts"
import { health } from "./routes/health.ts"
import { metrics } from "./routes/metrics.ts"
import { page } from "./routes/page.ts"
import { prometheus } from "./routes/prometheus.ts"
import { runs } from "./routes/runs.ts"
import { session, welcome } from "./routes/session.ts"
import { type StreamLimits, stream, streamLimits } from "./routes/stream.ts"

export interface AppOptions extends Access {
  /** the trainer of this process; absent: runs can be read only */
  controller?: Controller
  /** how long a control request waits for the trainer */
  controlWaitMs?: number
  stream?: Partial<StreamLimits>
  /** ends the streams */
  closing?: AbortSignal
}

export function createApp(store: Reader, options: AppOptions = {}) {
  const { controller, controlWaitMs = CONTROL_WAIT_MS, closing = new AbortController().signal } = options
  return new Elysia()
    .onError({ as: "global" }, onError)
    .onRequest(({ set, request }) => {
      Object.assign(set.headers, headersFor(options, request))
      const asked = new URL(request.url)
      const browser = request.headers.get("accept")?.includes("text/html") ?? false
      const named = options.closed || isLoopback(asked.hostname)
      if (asked.pathname === "/" && options.token !== undefined && named) {
        const given = asked.searchParams.get("token")
        if (given !== null || (options.closed && browser && !signedIn(options, request)))
          return withHeaders(welcome(options, request, given ?? undefined), set.headers)
      }
      admit(options, request)
      if (request.method === "OPTIONS" && options.cors !== undefined)
        return new Response(null, { status: 204, headers: set.headers as Record<string, string> })
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
            description: "What a run is doing, what it did, and how to steer it.",
          },
          tags: [{ name: "runs" }, { name: "control" }, { name: "server" }],
          components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
        },
      }),
    )
    .use(health(store))
    .use(session(options, controller !== undefined))
    .use(runs(store))
    .use(metrics(store))
    .use(completions(store))
    .use(stream(store, closing, { ...streamLimits, ...options.stream }))
    .use(control(store, controller, controlWaitMs))
    .use(prometheus(store))
    .use(page())
}

export type App = ReturnType<typeof createApp>

function withHeaders(response: Response, headers: object): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, String(value))
  return response
}
