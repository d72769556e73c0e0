// Listens: loopback unless told otherwise, and never in the way of training.
import type { Reader } from "@rectify/store"
import { createApp } from "./app.ts"

export const DEFAULT_PORT = 7373

export interface ServeOptions {
  /** absent: 7373, or any free port when that is taken; 0: any free port */
  port?: number
  hostname?: string
}

export interface Served {
  url: string
  port: number
  stop(): Promise<void>
}

export function serve(store: Reader, { port, hostname = "127.0.0.1" }: ServeOptions = {}): Served {
  const app = createApp(store)
  const listen = (wanted: number) => Bun.serve({ port: wanted, hostname, fetch: app.fetch, idleTimeout: 30 })
  const server = (() => {
    try {
      return listen(port ?? DEFAULT_PORT)
    } catch (error) {
      if (port === undefined) return listen(0)
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`serve: expected a free port, got ${port} (${reason}); try --port 0 for any free one`)
    }
  })()
  return {
    url: `http://${server.hostname}:${server.port}`,
    port: server.port ?? 0,
    stop: () => server.stop(true),
  }
}
