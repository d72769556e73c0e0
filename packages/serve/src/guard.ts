// Who may ask: the key, compared in constant time; and on the loopback only those who call it by its own name.
import { bearerOf, isLoopback, same } from "@rectify/http"
import { ServeError } from "./errors.ts"

export interface Access {
  /** absent: nobody needs one */
  apiKey?: string
  /** it listens beyond the loopback */
  open?: boolean
}

/** Throws what is answered instead. */
export function admit({ apiKey, open }: Access, request: Request): void {
  const { pathname, hostname } = new URL(request.url)
  // A page of another site must not reach a server of this machine by giving its own name our address.
  if (!open && !isLoopback(hostname))
    throw new ServeError(
      403,
      "invalid_request_error",
      `host: expected localhost or 127.0.0.1, got ${hostname}; start the server with --host to serve others`,
    )
  if (apiKey === undefined || pathname === "/health") return
  const given = bearerOf(request)
  if (given !== undefined && same(given, apiKey)) return
  throw new ServeError(
    401,
    "authentication_error",
    given === undefined
      ? "expected the header Authorization: Bearer KEY, got none"
      : "Incorrect API key provided",
    null,
    "invalid_api_key",
  )
}
