// Asks the API: JSON with the token where there is one, and the live stream over any break of the connection.
const key = "rectify-token"

export const token = () => localStorage.getItem(key) ?? ""
export const setToken = (value) => localStorage.setItem(key, value)

const headers = () => (token() === "" ? {} : { authorization: `Bearer ${token()}` })

export class Refusal extends Error {}

async function answer(response) {
  const body = await response.json().catch(() => ({ message: `got ${response.status}` }))
  if (!response.ok) throw new Refusal(body.hint ? `${body.message}: ${body.hint}` : body.message)
  return body
}

export const get = async (path, query = {}) => {
  const asked = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== undefined && value !== ""),
  )
  return answer(await fetch(`${path}?${asked}`, { headers: headers() }))
}

export const runPath = (id) => `/api/runs/${encodeURIComponent(id)}`

export const control = async (id, body) =>
  answer(
    await fetch(`${runPath(id)}/control`, {
      method: "POST",
      headers: { ...headers(), "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  )

/** EventSource cannot send a token, so the frames are read here; returns what ends it. */
export function follow(id, since, onFrame) {
  const ending = new AbortController()
  let last
  const once = async () => {
    const response = await fetch(`${runPath(id)}/stream?since=${since}`, {
      headers: { ...headers(), ...(last === undefined ? {} : { "last-event-id": last }) },
      signal: ending.signal,
    })
    if (!response.ok) throw new Refusal(`stream: ${response.status}`)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      rest += value
      const whole = rest.split("\n\n")
      rest = whole.pop()
      for (const part of whole) {
        const field = (name) => part.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1]
        last = field("id") ?? last
        if (field("event") !== undefined) onFrame(field("event"), JSON.parse(field("data")))
      }
    }
  }
  const always = async () => {
    for (let wait = 500; !ending.signal.aborted; wait = Math.min(wait * 2, 15_000)) {
      await once().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
  always()
  return () => ending.abort()
}
