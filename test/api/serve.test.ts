// Listening: loopback, a free port when the default is taken, a plain refusal when a wanted one is.
import { afterEach, expect, test } from "bun:test"
import { type Served, serve } from "@rectify/api"
import { openStore, type Store } from "@rectify/store"

const servers: Served[] = []
let store: Store | undefined

const start = (options = {}) => {
  store ??= openStore(":memory:")
  const server = serve(store, options)
  servers.push(server)
  return server
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  await store?.close()
  store = undefined
})

test("answers on loopback", async () => {
  const { url } = start({ port: 0 })
  expect(url).toStartWith("http://127.0.0.1:")
  expect((await fetch(`${url}/health`)).status).toBe(200)
})

test("two at once without a port: the second takes any free one", () => {
  expect(start().port).not.toBe(start().port)
})

test("a wanted port that is taken is refused by number", () => {
  const { port } = start({ port: 0 })
  expect(() => start({ port })).toThrow(`got ${port}`)
})

test("a large body is refused, and the answer says so", async () => {
  const { url } = start({ port: 0, token: "secret" })
  const response = await fetch(`${url}/api/runs/any/control`, { method: "POST", body: "x".repeat(20_000) })
  expect(response.status).toBe(413)
})

test("beyond the loopback it listens with a token only", async () => {
  expect(() => start({ port: 0, hostname: "0.0.0.0" })).toThrow("--token")
  const { port } = start({ port: 0, hostname: "0.0.0.0", token: "secret" })
  const ask = (headers = {}) => fetch(`http://127.0.0.1:${port}/api/runs`, { headers })
  expect((await ask()).status).toBe(401)
  expect((await ask({ authorization: "Bearer secret" })).status).toBe(200)
})

test("nothing answers after stop", async () => {
  const server = start({ port: 0 })
  await server.stop()
  expect(fetch(`${server.url}/health`)).rejects.toThrow()
})
