// Who is asking: names of the loopback, the secret of a bearer, and texts compared in constant time.
import { createHash, timingSafeEqual } from "node:crypto"

export const isLoopback = (hostname: string) =>
  /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname.toLowerCase())

export const digest = (text: string) => createHash("sha256").update(text).digest()

/** Digests are compared, so that neither the time nor an error tells the secret's length. */
export const same = (given: string, secret: string) => timingSafeEqual(digest(given), digest(secret))

/** What follows `Authorization: Bearer`; undefined where there is no such header. */
export function bearerOf(request: Request): string | undefined {
  const [scheme, given] = request.headers.get("authorization")?.split(" ") ?? []
  return scheme?.toLowerCase() === "bearer" ? given : undefined
}
