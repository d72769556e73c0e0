// The dashboard's files: all there, small, from this server alone; smoothing and segments judged by hand.
import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type App, createApp } from "@rectify/api"
import { openStore, type Store } from "@rectify/store"

const folder = join(import.meta.dir, "../../packages/api/page")
let store: Store
let app: App

beforeAll(() => {
  store = openStore(":memory:")
  app = createApp(store)
})
afterAll(() => store.close())

const get = (path: string) => app.handle(new Request(`http://localhost${path}`))

/** Every file that a page names, and that those name. */
async function reached(start: string) {
  const seen = new Map<string, string>()
  const open = [start]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue
    const response = await get(path)
    expect([path, response.status]).toEqual([path, 200])
    const text = await response.text()
    seen.set(path, text)
    for (const [, name] of text.matchAll(/["'(](\/static\/[\w.-]+)["')]/g)) open.push(name!)
  }
  return seen
}

test("the page is whole, asks no other machine, and is under 300 KB", async () => {
  const files = await reached("/")
  expect(files.size).toBeGreaterThan(8)
  let bytes = 0
  for (const [path, text] of files) {
    bytes += Buffer.byteLength(text)
    if (!path.includes("uplot"))
      expect([path, text.match(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/g)]).toEqual([path, null])
  }
  expect(bytes).toBeLessThan(300_000)
  const served = new Set([...files.keys(), ...(await reached("/docs")).keys()])
  for (const name of readdirSync(folder).filter((file) => !file.endsWith(".html")))
    expect(served).toContain(`/static/${name}`)
})

test("its policy lets it run: scripts and styles are files, none inline", async () => {
  for (const path of ["/", "/docs"]) {
    const response = await get(path)
    expect(response.headers.get("content-type")).toStartWith("text/html")
    expect(response.headers.get("content-security-policy")).toContain("script-src 'self';")
    const html = await response.text()
    expect(html).not.toMatch(/<script(?![^>]*src=)|\son\w+=|<style/)
  }
  expect((await get("/static/app.js")).headers.get("content-type")).toStartWith("text/javascript")
})

/** A module of the page without what it imports from the server. */
async function load(name: string) {
  const source = readFileSync(join(folder, name), "utf8").replace(/^import [^"]*"[^"]*"$/gm, "")
  const file = join(mkdtempSync(join(tmpdir(), "rectify-page-")), name)
  writeFileSync(file, source)
  return await import(file)
}

test("smoothing is an average that starts at the first value and skips gaps", async () => {
  const { smooth } = await load("charts.js")
  expect(smooth([null, 4, 8, null, 0], 0.5)).toEqual([null, 4, 6, null, 3])
  expect(smooth([1, 2], 0)).toEqual([1, 2])
})

test("segments end at the points and give the whole text back", async () => {
  const { segments } = await load("thought.js")
  const points = [{ offset: 2 }, { offset: 5 }, { offset: 9 }]
  const cut = segments("ab cd efg rest", points)
  expect(cut.map(({ text }: { text: string }) => text)).toEqual(["ab", " cd", " efg", " rest"])
  expect(cut.map(({ point }: { point?: object }) => point)).toEqual([
    undefined,
    points[1],
    points[2],
    undefined,
  ])
  expect(segments("plain", [])).toEqual([{ text: "plain" }])
})
