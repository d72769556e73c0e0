// Who counts as this machine itself, and what a bearer brought.
import { expect, test } from "bun:test"
import { bearerOf, isLoopback, same } from "@rectify/http"

test("names of the loopback, and what only looks like one", () => {
  for (const name of ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
    expect([name, isLoopback(name)]).toEqual([name, true])
  for (const name of [
    "0.0.0.0",
    "::",
    "localhost.evil.org",
    "127.0.0.1.evil.org",
    "a127.0.0.1",
    "10.0.0.1",
    "",
  ])
    expect([name, isLoopback(name)]).toEqual([name, false])
})

test("the secret of a bearer, whatever the case of the word, and of no other scheme", () => {
  const bearer = (authorization?: string) =>
    bearerOf(new Request("http://localhost/", { headers: authorization ? { authorization } : {} }))
  expect(bearer("Bearer abc")).toBe("abc")
  expect(bearer("bearer abc")).toBe("abc")
  expect(bearer("Basic abc")).toBeUndefined()
  expect(bearer("Bearer")).toBeUndefined()
  expect(bearer()).toBeUndefined()
})

test("the same secret, and nothing else of any length", () => {
  expect(same("secret", "secret")).toBe(true)
  for (const other of ["", "s", "secreT", "secret ", "secretsecret"])
    expect(same(other, "secret")).toBe(false)
})
