// The queue of wishes: in order, withdrawn in time, woken when one comes.
import { expect, test } from "bun:test"
import { Control } from "../../packages/trainer/src/control.ts"

test("wishes are taken in order, and nobody but the taker answers them", async () => {
  const control = new Control()
  control.begin("run", 3)
  const first = control.request("run", { action: "pause" })
  const second = control.request("run", { action: "resume" })
  expect(control.next()!.request.action).toBe("pause")
  const wish = control.next()!
  wish.answer({ done: true, step: 3, message: "yes" })
  expect(await second).toEqual({ done: true, step: 3, message: "yes" })
  expect(control.next()).toBeUndefined()
  expect(await Promise.race([first, Bun.sleep(5)])).toBeUndefined()
})

test("one that was not begun in time is withdrawn; one that was is waited for", async () => {
  const control = new Control()
  control.begin("run", 0)
  const patience = new AbortController()
  const taken = control.request("run", { action: "checkpoint" }, patience.signal)
  const wish = control.next()!
  const left = control.request("run", { action: "pause" }, patience.signal)
  patience.abort()
  expect(await left).toMatchObject({ done: false, message: expect.stringContaining("withdrawn") })
  expect(control.next()).toBeUndefined()
  wish.answer({ done: true, step: 0, message: "saved" })
  expect((await taken).done).toBe(true)
})

test("a sleeping loop wakes for a wish and for a signal", async () => {
  const control = new Control()
  control.begin("run", 0)
  const woken = control.arrival()
  void control.request("run", { action: "resume" })
  await woken
  control.next()
  const signal = new AbortController()
  const aborted = control.arrival(signal.signal)
  signal.abort()
  await aborted
})
