// Listens: loopback unless told otherwise, and never in the way of training.
import { isLoopback, listen } from "@rectify/http"
import type { Reader } from "@rectify/store"
import { type AppOptions, createApp } from "./app.ts"
import { MOST_BODY_BYTES, signedIn } from "./guard.ts"

export const DEFAULT_PORT = 7373

const IDLE_SECONDS = 30

export interface ServeOptions extends Omit<AppOptions, "closed" | "closing"> {
  /** absent: 7373, or any free port when that is taken; 0: any free port */
  port?: number
  /** anything but the loopback needs a token, for reads too */
  hostname?: string
}

export interface Served {
  url: string
  port: number
  stop(): Promise<void>
}

export function serve(store: Reader, options: ServeOptions = {}): Served {
  const { port, hostname = "127.0.0.1", ...rest } = options
  const closed = !isLoopback(hostname)
  if (closed && !rest.token)
    throw new Error(
      `serve: expected a token to listen on ${hostname}, got none; give --token or RECTIFY_TOKEN`,
    )
  const closing = new AbortController()
  const app = createApp(store, { ...rest, closed, closing: closing.signal })
  const server = listen({
    port,
    fallback: DEFAULT_PORT,
    hostname,
    idleSeconds: IDLE_SECONDS,
    mostBodyBytes: MOST_BODY_BYTES,
    fetch: (request) => app.fetch(request),
    // Once the trainer has begun, the answer comes when it is done, however long a checkpoint takes.
    patient: (request) => request.method === "POST" && signedIn(rest, request),
  })
  return {
    ...server,
    /** Streams end too. */
    async stop() {
      closing.abort()
      await server.stop()
    },
  }
}
