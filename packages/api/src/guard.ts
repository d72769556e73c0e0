// Who may ask: the token, as a header or as a browser's cookie, compared in constant time; the host named, against pages of
// other sites; and the headers of every answer.
import { bearerOf, digest, isLoopback, same } from "@rectify/http"
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

/** Signs of life, and the way in; they hold nothing of any run. */
const OPEN = new Set(["/health", "/ready", "/login"])

export const newToken = () => Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")

export function headersFor({ cors }: Access, request: Request): Record<string, string> {
  const headers: Record<string, string> = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": cors === undefined ? "same-origin" : "cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
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
  const { method } = request
  const changes = method !== "GET" && method !== "HEAD" && method !== "OPTIONS"
  if (OPEN.has(pathname) || method === "OPTIONS" || (!changes && !access.closed)) return
  const hint =
    "send the header Authorization: Bearer TOKEN, or open /login in a browser; train prints its token, or takes it from --token"
  if (access.token === undefined)
    throw new ApiError(401, "no_token", "this server has no token, so nothing can be controlled", hint)
  if (hasCookie(access.token, request)) {
    if (!changes || ownPage(request)) return
    throw new ApiError(403, "foreign_page", "a page of another site asked for this", hint)
  }
  const given = bearerOf(request)
  if (given === undefined)
    throw new ApiError(401, "token_required", `${method} ${pathname} needs the token`, hint)
  if (!same(given, access.token)) throw new ApiError(401, "wrong_token", "that is not the token", hint)
}

/** By the header or by the cookie. */
export function signedIn({ token }: Access, request: Request): boolean {
  if (token === undefined) return false
  const given = bearerOf(request)
  return hasCookie(token, request) || (given !== undefined && same(given, token))
}

/** What a browser keeps instead of the token: of no use to another server, and gone with the token. */
export function cookieFor(token: string, secure: boolean): string {
  return `${cookieName(token)}=${session(token)}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000${secure ? "; Secure" : ""}`
}

const session = (token: string) => digest(`session of ${token}`).toString("base64url")

/** Cookies know no ports: two servers of one machine must not overwrite each other's. */
const cookieName = (token: string) => `rectify-${digest(`name of ${token}`).toString("hex").slice(0, 12)}`

function hasCookie(token: string, request: Request): boolean {
  const name = `${cookieName(token)}=`
  const found = (request.headers.get("cookie") ?? "").split(/;\s*/).find((part) => part.startsWith(name))
  return found !== undefined && same(found.slice(name.length), session(token))
}

/** SameSite counts other ports of this machine as the same site, so a change must also come from our own origin. */
function ownPage(request: Request): boolean {
  const origin = request.headers.get("origin")
  return origin !== null && URL.canParse(origin) && new URL(origin).host === request.headers.get("host")
}
