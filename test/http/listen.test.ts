// A port is taken, or the next free one where nobody named it; what is under way is finished when it ends.
import { expect, test } from "bun:test"
import { type ListenOptions, listen } from "@rectify/http"

const options: ListenOptions = {
  fallback: 0,
  hostname: "127.0.0.1",
  idleSeconds: 5,
  mostBodyBytes: 1024,
  fetch: async (request) => new Response(`${(await request.text()).length}`),
  patient: () => false,
}

test("a port that is taken: another where it was not named, a clear refusal where it was", async () => {
  const first = listen(options)
  const second = listen({ ...options, fallback: first.port })
  expect(second.port).not.toBe(first.port)
  expect(() => listen({ ...options, port: first.port })).toThrow(
    `serve: expected a free port, got ${first.port} (`,
  )
  expect(await (await fetch(second.url)).text()).toBe("0")
  await Promise.all([first.stop(), second.stop()])
  expect(fetch(first.url)).rejects.toThrow()
})

test("an address of IPv6 is written as one", async () => {
  let server: ReturnType<typeof listen>
  try {
    server = listen({ ...options, hostname: "::1" })
  } catch {
    return console.log("skipped: no IPv6 here")
  }
  expect(server.url).toBe(`http://[::1]:${server.port}`)
  expect(await (await fetch(server.url)).text()).toBe("0")
  await server.stop()
})

test("a body that is too large is refused, and an answer under way is finished", async () => {
  const begun = Promise.withResolvers<void>()
  const slow = listen({
    ...options,
    async fetch(request) {
      if (request.method === "POST") return options.fetch(request)
      begun.resolve()
      await Bun.sleep(150)
      return new Response("late")
    },
  })
  const large = await fetch(slow.url, { method: "POST", body: "x".repeat(2000) })
  expect(large.status).toBe(413)
  const answer = fetch(slow.url).then((response) => response.text())
  await begun.promise
  await slow.stop()
  expect(await answer).toBe("late")
})
