// Listens: the loopback unless told otherwise, bounded in what it takes, and gentle when it ends.
import { isLoopback, listen } from "@rectify/http"
import { createApp } from "./app.ts"
import { Desk } from "./desk.ts"
import type { Serving } from "./model.ts"

export const DEFAULT_PORT = 8000
export const MOST_BODY_BYTES = 16 * 1024 * 1024

const IDLE_SECONDS = 60

export interface ServeModelOptions {
  /** absent: 8000, or any free port when that is taken; 0: any free port */
  port?: number
  /** anything but the loopback needs a key */
  hostname?: string
  apiKey?: string
  /** requests taken at once; those beyond are told to come again */
  maxRequests?: number
}

export interface ServedModel {
  url: string
  port: number
  /** requests under way have so long to be done */
  stop(graceMs?: number): Promise<void>
}

export function serveModel(serving: Serving, options: ServeModelOptions = {}): ServedModel {
  const { port, hostname = "127.0.0.1", apiKey, maxRequests = 256 } = options
  const open = !isLoopback(hostname)
  if (open && !apiKey)
    throw new Error(`serve: expected --api-key KEY to listen on ${hostname}, got none; or RECTIFY_API_KEY`)
  const desk = new Desk(maxRequests)
  const app = createApp(serving, desk, { apiKey: apiKey || undefined, open })
  const server = listen({
    port,
    fallback: DEFAULT_PORT,
    hostname,
    idleSeconds: IDLE_SECONDS,
    mostBodyBytes: MOST_BODY_BYTES,
    fetch: (request) => app.fetch(request),
    patient: ({ method }) => method === "POST",
  })
  return {
    ...server,
    async stop(graceMs = 10_000) {
      await desk.close(graceMs)
      await server.stop()
    },
  }
}
