// Listens on a port, or on any free one where nobody named it, and ends gently.

const GOODBYE_MS = 1_000

export interface ListenOptions {
  /** absent: `fallback`, or any free port when that is taken; 0: any free port */
  port?: number
  fallback: number
  hostname: string
  idleSeconds: number
  mostBodyBytes: number
  fetch(request: Request): Response | Promise<Response>
  /** its answer may take as long as it takes */
  patient(request: Request): boolean
}

export interface Listening {
  url: string
  port: number
  /** Answers under way are finished, and whoever does not let go is left. */
  stop(): Promise<void>
}

export function listen(options: ListenOptions): Listening {
  const { port, fallback, hostname, idleSeconds, mostBodyBytes } = options
  const on = (wanted: number) =>
    Bun.serve({
      port: wanted,
      hostname,
      idleTimeout: idleSeconds,
      maxRequestBodySize: mostBodyBytes,
      fetch(request, server) {
        if (options.patient(request)) server.timeout(request, 0)
        return options.fetch(request)
      },
    })
  const server = (() => {
    try {
      return on(port ?? fallback)
    } catch (error) {
      if (port === undefined) return on(0)
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`serve: expected a free port, got ${port} (${reason}); try --port 0 for any free one`)
    }
  })()
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}`,
    port: server.port ?? 0,
    async stop() {
      await Promise.race([server.stop(), Bun.sleep(GOODBYE_MS)])
      await server.stop(true)
    },
  }
}
