// GET /health: the server lives.
import { Elysia } from "elysia"
import manifest from "../../package.json"
import { Health } from "../schemas.ts"

export const health = () =>
  new Elysia().get(
    "/health",
    () => ({ status: "ok" as const, version: manifest.version, uptime_seconds: process.uptime() }),
    { response: Health, detail: { summary: "The server lives", tags: ["server"] } },
  )
