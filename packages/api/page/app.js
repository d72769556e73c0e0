// Where the page is by what stands after the #, and what works everywhere: token, light and dark, keys.
import { setToken, token } from "/static/api.js"
import { completion, completions } from "/static/completions.js"
import { el, say } from "/static/dom.js"
import { overview } from "/static/overview.js"
import { run } from "/static/run.js"

const main = document.getElementById("main")
const crumbs = document.getElementById("crumbs")
let view

function route() {
  const [path, asked] = location.hash.slice(1).split("?")
  if (path.startsWith("token=")) {
    setToken(decodeURIComponent(path.slice(6)))
    location.replace("#/")
    return
  }
  const [, kind, encoded, part, number] = path.split("/")
  const id = decodeURIComponent(encoded ?? "")
  view?.end()
  say("")
  document.title = id === "" ? "Rectify" : `${id} · Rectify`
  const home = `#/run/${encoded}`
  crumbs.replaceChildren(
    ...(kind === "run" ? [el("a", { href: home }, id)] : []),
    ...(part === undefined ? [] : [" › ", el("a", { href: `${home}/completions` }, "completions")]),
  )
  if (kind !== "run") view = overview(main)
  else if (part === "completions") view = completions(main, id, new URLSearchParams(asked))
  else if (part === "completion") view = completion(main, id, number)
  else view = run(main, id)
  view.ready.catch((error) => say(error.message))
}

function themed(theme) {
  document.documentElement.dataset.theme = theme
  localStorage.setItem("rectify-theme", theme)
}

document.getElementById("theme").addEventListener("click", () => {
  themed(document.documentElement.dataset.theme === "dark" ? "light" : "dark")
  view?.themed?.()
})
document.getElementById("token").addEventListener("click", () => {
  const given = prompt("The token that train printed", token())
  if (given === null) return
  setToken(given.trim())
  route()
})

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey)
    return
  if (event.key === "/") {
    const search = document.querySelector("[data-search]")
    if (search === null) return
    event.preventDefault()
    search.focus()
  }
  const step = { j: 1, k: -1 }[event.key]
  if (step === undefined) return
  const open = location.hash.match(/^(#\/run\/[^/]+\/completion\/)(\d+)$/)
  if (open) {
    location.hash = `${open[1]}${Math.max(1, Number(open[2]) + step)}`
    return
  }
  const links = [...document.querySelectorAll("[data-completion]")]
  const next = links[Math.min(links.length - 1, Math.max(0, links.indexOf(document.activeElement) + step))]
  next?.focus()
})

themed(
  localStorage.getItem("rectify-theme") ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
)
addEventListener("hashchange", route)
route()
