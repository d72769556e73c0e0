// GET /api/runs/:id/stream: a run as it goes on, as server-sent events; a slow reader is left behind, never waited for.
import type { Reader } from "@rectify/store"
import { Elysia, t } from "elysia"
import { ApiError, noSuchRun } from "../errors.ts"
import { cursorOf, Feed, positionOf } from "../feed.ts"

export interface StreamLimits {
  /** how often a waiting reader looks for news, milliseconds */
  pollMs: number
  /** silence after which a comment says that the line is alive */
  aliveMs: number
  /** a reader that takes nothing for this long is dropped */
  patienceMs: number
  /** readers at once */
  readers: number
}

export const streamLimits: StreamLimits = {
  pollMs: 250,
  aliveMs: 10_000,
  patienceMs: 30_000,
  readers: 500,
}

export function stream(store: Reader, closing: AbortSignal, limits: StreamLimits) {
  const feed = new Feed(store, limits.pollMs * 0.8)
  let readers = 0
  return new Elysia().get(
    "/api/runs/:id/stream",
    async ({ params: { id }, query: { since, after }, headers, request }) => {
      if ((await store.getRun(id)) === undefined) throw noSuchRun(id)
      if (readers >= limits.readers)
        throw new ApiError(503, "too_many_readers", `${readers} streams are open`, "try again later, or poll")
      const cursor = await begin(store, id, headers["last-event-id"] ?? after, since)
      readers++
      const body = live(feed, id, cursor, limits, AbortSignal.any([closing, request.signal]), () => readers--)
      return new Response(body, {
        headers: { "content-type": "text/event-stream", "x-accel-buffering": "no" },
      })
    },
    {
      params: t.Object({ id: t.String() }),
      headers: t.Object({ "last-event-id": t.Optional(t.String({ maxLength: 60 })) }),
      query: t.Object({
        after: t.Optional(t.String({ maxLength: 60, description: "as the header Last-Event-ID" })),
        since: t.Optional(
          t.Integer({ minimum: 0, description: "`next` of /metrics; 0: from the start; default: from now" }),
        ),
      }),
      detail: {
        summary: "Steps, completions, evaluations, events and state as server-sent events",
        description:
          "Events: state (first, and when it changes), step, completions (of the step that follows), evaluation, event. " +
          "Every id resumes: send it back as Last-Event-ID.",
        tags: ["runs"],
      },
    },
  )
}

async function begin(store: Reader, run: string, cursor: string | undefined, since: number | undefined) {
  if (cursor === undefined) return cursorOf(await store.position(run, since))
  if (positionOf(cursor) === undefined)
    throw new ApiError(
      400,
      "bad_request",
      `Last-Event-ID: expected the id of an event of this stream, got ${cursor}`,
      "leave it out to start from now, or give since=0 to start from the beginning",
    )
  return cursor
}

/** Nothing is made before the reader took what was there: a reader that stops costs one page and then its place. */
function live(
  feed: Feed,
  run: string,
  start: string,
  { pollMs, aliveMs, patienceMs }: StreamLimits,
  closing: AbortSignal,
  ended: () => void,
): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder()
  let cursor = start
  let state = ""
  let open = true
  let patience: ReturnType<typeof setTimeout> | undefined
  const end = (close?: () => void) => {
    if (!open) return
    open = false
    clearTimeout(patience)
    closing.removeEventListener("abort", onClosing)
    ended()
    try {
      close?.()
    } catch {
      // The reader closed it first.
    }
  }
  let onClosing = () => {}

  const next = async (): Promise<string> => {
    const since = performance.now()
    while (open) {
      const page = await feed.after(run, cursor)
      const now = await feed.state(run)
      const text = `${now === state ? "" : now}${page?.text ?? ""}`
      state = now
      if (page !== undefined) cursor = page.next
      if (text !== "") return text
      if (performance.now() - since > aliveMs) return ": alive\n\n"
      await Bun.sleep(pollMs)
    }
    return ""
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onClosing = () => end(() => controller.close())
        if (closing.aborted) onClosing()
        else closing.addEventListener("abort", onClosing)
      },
      async pull(controller) {
        clearTimeout(patience)
        try {
          const text = await next()
          if (!open) return
          controller.enqueue(bytes.encode(text))
          patience = setTimeout(() => end(() => controller.error(new Error("too slow"))), patienceMs)
          patience.unref?.()
        } catch {
          // The database cannot be read now; the reader comes back with the id it has.
          end(() => controller.close())
        }
      },
      cancel: () => end(),
    },
    { highWaterMark: 1 },
  )
}
