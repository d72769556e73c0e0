// A typed client of the API: every route, its queries and answers, checked by the compiler (Eden).
import { treaty } from "@elysiajs/eden"
import type { App } from "./app.ts"

export interface ClientOptions {
  /** for control, and for servers beyond the loopback */
  token?: string
}

export function client(url: string, { token }: ClientOptions = {}) {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return treaty<App>(url, { headers })
}

export type Client = ReturnType<typeof client>
