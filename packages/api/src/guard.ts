// Who may ask: the token, compared in constant time; the host named, against pages of other sites; and the headers of every answer.
import { createHash, timingSafeEqual } from "node:crypto"
import { ApiError } from "./errors.ts"

export interface Access {
  /** absent: nothing can be controlled */
  token?: string
  /** the token is asked for on reads too: the server listens beyond the loopback */
  closed?: boolean
  /** an origin whose pages may read the answers, or "*" */
  cors?: string
}

export const MOST_BODY_BYTES = 16 * 1024

/** The page itself and the sign of life hold nothing of any run. */
const OPEN = /^\/(health|docs|static\/[\w.-]+)?$/

export const newToken = () => Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")

export function headersFor({ cors }: Access, request: Request): Record<string, string> {
  const headers: Record<string, string> = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": cors === undefined ? "same-origin" : "cross-origin",
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
  }
  const origin = request.headers.get("origin")
  if (cors !== undefined && origin !== null && (cors === "*" || cors === origin)) {
    headers["access-control-allow-origin"] = cors
    headers["access-control-allow-headers"] = "authorization, content-type, last-event-id"
    headers["access-control-allow-methods"] = "GET, POST"
    if (cors !== "*") headers.vary = "origin"
  }
  return headers
}

/** Throws what is answered instead. */
export function admit(access: Access, request: Request): void {
  const { pathname, hostname } = new URL(request.url)
  if (Number(request.headers.get("content-length") ?? 0) > MOST_BODY_BYTES)
    throw new ApiError(
      413,
      "too_large",
      `the body: expected at most ${MOST_BODY_BYTES} bytes`,
      "no route takes more",
    )
  // On the loopback reads are open, so a page of another site must not reach them by giving its own name our address.
  if (!access.closed && !isLoopback(hostname))
    throw new ApiError(
      403,
      "forbidden_host",
      `"${hostname}": expected localhost or 127.0.0.1`,
      "ask by that name, or start it with --host to serve others, with a token",
    )
  const changes = request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS"
  if (!changes && (!access.closed || OPEN.test(pathname) || request.method === "OPTIONS")) return
  const hint = "send the header Authorization: Bearer TOKEN; train prints its token, or takes it from --token"
  if (access.token === undefined)
    throw new ApiError(401, "no_token", "this server has no token, so nothing can be controlled", hint)
  const [scheme, given] = request.headers.get("authorization")?.split(" ") ?? []
  if (scheme?.toLowerCase() !== "bearer" || given === undefined)
    throw new ApiError(401, "token_required", `${request.method} ${pathname} needs the token`, hint)
  if (!same(given, access.token)) throw new ApiError(401, "wrong_token", "that is not the token", hint)
}

export const isLoopback = (hostname: string) =>
  /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname.toLowerCase())

/** Digests are compared, so that neither the time nor an error tells the token's length. */
function same(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}
