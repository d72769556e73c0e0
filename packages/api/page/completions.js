// What the policy wrote: by step and group, found by text; and one of them with its thought's trajectory.
import { get, runPath } from "/static/api.js"
import { el, show } from "/static/dom.js"
import { thought, trajectory } from "/static/thought.js"

const PAGE = 64

export function completions(main, id, query) {
  const at = `#/run/${encodeURIComponent(id)}/completions`
  const step = el("input", {
    type: "number",
    min: 0,
    "aria-label": "Step",
    value: query.get("step") ?? "",
    placeholder: "step",
    size: 6,
  })
  const search = el("input", {
    type: "search",
    "aria-label": "Find text",
    placeholder: "find text",
    value: query.get("search") ?? "",
    "data-search": true,
  })
  const list = el("div")
  const go = (offset = 0) => {
    const asked = new URLSearchParams({ step: step.value, search: search.value, offset })
    location.hash = `${at}?${asked}`
  }
  const by = (n) => {
    step.value = Math.max(1, Number(step.value) + n)
    go()
  }
  step.addEventListener("change", () => go())
  search.addEventListener("change", () => go())
  main.replaceChildren(
    el("h1", {}, "Completions"),
    el(
      "div",
      { class: "row" },
      el("button", { type: "button", onclick: () => by(-1), "aria-label": "Step before" }, "‹"),
      step,
      el("button", { type: "button", onclick: () => by(1), "aria-label": "Step after" }, "›"),
      search,
    ),
    list,
  )
  const load = async () => {
    if (step.value === "" && search.value === "") step.value = (await get(runPath(id))).step
    const offset = Number(query.get("offset") ?? 0)
    const found = await get(`${runPath(id)}/completions`, {
      step: step.value,
      search: search.value,
      limit: PAGE,
      offset,
    })
    const groups = Object.groupBy(found.completions, (each) => `${each.step} ${each.prompt_id}`)
    list.replaceChildren(
      el("p", { class: "faint" }, `${found.total} completions`),
      ...Object.values(groups).map((group) => groupOf(id, group)),
      pager(found, go),
    )
  }
  return { ready: load(), end: () => {} }
}

function groupOf(id, group) {
  const [{ prompt, answer, step }] = group
  const row = (each) =>
    el(
      "tr",
      {},
      el(
        "td",
        {},
        el(
          "a",
          { href: `#/run/${encodeURIComponent(id)}/completion/${each.id}`, "data-completion": each.id },
          `#${each.id}`,
        ),
      ),
      el("td", { class: "number" }, show(each.reward)),
      el("td", { class: "number wide" }, show(each.advantage)),
      el("td", { class: "number" }, each.length),
      el("td", {}, el("span", { class: "line faint" }, each.completion)),
    )
  const heads = ["", "reward", "advantage", "tokens", "text"]
  return el(
    "section",
    { class: "panel scroll" },
    el(
      "h2",
      {},
      `${prompt.slice(0, 200)}`,
      el("span", { class: "faint" }, `  step ${step}, answer ${answer ?? "unknown"}`),
    ),
    el(
      "table",
      {},
      el(
        "tr",
        {},
        ...heads.map((name) => el("th", { scope: "col", class: name === "advantage" ? "wide" : "" }, name)),
      ),
      ...group.map(row),
    ),
  )
}

function pager({ total, limit, offset }, go) {
  const before = el("button", { type: "button", onclick: () => go(Math.max(0, offset - limit)) }, "before")
  const after = el("button", { type: "button", onclick: () => go(offset + limit) }, "more")
  return el("p", { class: "row" }, offset > 0 ? before : null, offset + limit < total ? after : null)
}

export function completion(main, id, number) {
  let plot
  const load = async () => {
    const found = await get(`${runPath(id)}/completions/${number}`)
    const { rewards, reasons, points } = found
    plot?.destroy()
    plot = undefined
    const text = thought(found.completion, points)
    const drawing = el("div", { role: "img", "aria-label": "J and S along the thought" })
    main.replaceChildren(
      el("h1", {}, `Completion ${number}`),
      el(
        "p",
        { class: "faint" },
        `step ${found.step}, sample ${found.sample}, ${found.length} tokens, ended by ${found.finish_reason}`,
      ),
      el("section", { class: "panel text" }, found.prompt),
      el(
        "div",
        { class: "two" },
        el("section", { class: "panel text", "aria-label": "Response" }, ...text),
        el("figure", {}, drawing),
      ),
      el(
        "table",
        {},
        ...Object.entries(rewards).map(([name, value]) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, name),
            el("td", { class: "number" }, show(value)),
            el("td", {}, reasons[name] ?? ""),
          ),
        ),
        el(
          "tr",
          {},
          el("th", { scope: "row" }, "reward"),
          el("td", { class: "number" }, show(found.reward)),
          el("td", {}, `answer ${found.answer ?? "unknown"}, read ${found.parsed ?? "nothing"}`),
        ),
        el(
          "tr",
          {},
          el("th", { scope: "row" }, "advantage"),
          el("td", { class: "number" }, show(found.advantage)),
          el("td"),
        ),
      ),
    )
    if (points.length > 0) plot = trajectory(drawing, points, main)
    else drawing.append(el("p", { class: "faint" }, "No process reward was computed for it."))
  }
  return { ready: load(), themed: load, end: () => plot?.destroy() }
}
