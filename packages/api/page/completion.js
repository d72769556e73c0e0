// One completion: prompt, response with its segments tinted by what they earned, the trajectory beside it, rewards and why.
import { get, runPath } from "/static/api.js"
import { el, scrolling, show, signed, table } from "/static/dom.js"
import { countOf, pointsTable, thought, trajectory } from "/static/thought.js"

export function completion(main, id, number) {
  let plot
  let around = {}
  const at = (n) => `#/run/${encodeURIComponent(id)}/completion/${n}`
  const turn = (by) => {
    const next = by > 0 ? around.next : around.previous
    if (next !== undefined) location.hash = at(next)
  }
  async function load() {
    const found = await get(`${runPath(id)}/completions/${number}`)
    const { completions: group } = await get(`${runPath(id)}/completions`, {
      step: found.step,
      prompt: found.prompt_id,
      limit: 200,
    })
    const place = group.findIndex((each) => each.id === found.id)
    around = { previous: group[place - 1]?.id, next: group[place + 1]?.id }
    // Beyond its group the ids of one step go on, and another step's begin.
    around.previous ??= found.id > 1 ? found.id - 1 : undefined
    around.next ??= found.id + 1
    plot?.destroy()
    plot = undefined
    main.replaceChildren(...page(found, group, at, turn))
    const drawing = document.getElementById("trajectory")
    if (found.points.length > 0) plot = trajectory(drawing, found.points, main)
  }
  const resize = () =>
    plot?.setSize({ width: document.getElementById("trajectory").clientWidth, height: plot.height })
  addEventListener("resize", resize)
  return {
    ready: load(),
    turn,
    themed: load,
    end() {
      removeEventListener("resize", resize)
      plot?.destroy()
    },
  }
}

function page(found, group, at, turn) {
  const { points, completion, correct } = found
  const { harmful, idle } = countOf(points)
  return [
    el(
      "header",
      { class: "head" },
      el(
        "div",
        { class: "row" },
        el("h1", {}, `Completion ${found.id}`),
        el("span", { class: `chip ${correct ? "good" : "bad"}` }, correct ? "✓ right" : "✗ wrong"),
        found.finish_reason === "length" && el("span", { class: "chip bad" }, "cut by the length limit"),
        el("span", { class: "push" }),
        el("button", { type: "button", onclick: () => turn(-1), "aria-label": "Completion before" }, "‹"),
        el("button", { type: "button", onclick: () => turn(1), "aria-label": "Completion after" }, "›"),
      ),
      el(
        "p",
        { class: "muted number" },
        `step ${found.step} · sample ${found.sample + 1} of ${group.length} in its group · ${found.length} tokens · reward ${show(found.reward)} · advantage ${signed(found.advantage)}`,
      ),
      el(
        "nav",
        { class: "chips", "aria-label": "Its group" },
        group.map((each) =>
          el(
            "a",
            {
              class: `chip number ${each.correct ? "good" : "bad"}`,
              href: at(each.id),
              "aria-current": each.id === found.id ? "true" : undefined,
              "aria-label": `sample ${each.sample + 1}, reward ${show(each.reward)}`,
            },
            `${each.correct ? "✓" : "✗"} ${show(each.reward)}`,
          ),
        ),
      ),
    ),
    el(
      "div",
      { class: "two" },
      el(
        "div",
        { class: "section" },
        el(
          "section",
          { class: "panel section" },
          el("h2", {}, "Prompt"),
          el("div", { class: "response", style: "line-height:1.6" }, found.prompt),
        ),
        el(
          "section",
          { class: "panel section" },
          el(
            "div",
            { class: "row" },
            el("h2", {}, "Response"),
            points.length > 0 &&
              el(
                "span",
                { class: "row small muted push" },
                "harmful",
                el("i", { class: "scale" }),
                "helpful",
              ),
          ),
          el("div", { class: "response", id: "response" }, thought(completion, points)),
          points.length > 0 &&
            el(
              "p",
              { class: "small muted" },
              `${points.length - 1} segments, ${harmful} harmful, ${idle} idle. Each is tinted by r, what it earned; dotted ones changed next to nothing.`,
            ),
        ),
      ),
      el(
        "div",
        { class: "stay" },
        el(
          "figure",
          { "aria-label": "Thought trajectory" },
          el("figcaption", {}, "Thought trajectory"),
          points.length > 0
            ? el("div", { class: "legend", id: "trajectory-legend" })
            : el("p", { class: "muted" }, "It was not judged, so it has none."),
          el("div", {
            id: "trajectory",
            role: "img",
            "aria-label": `J from ${show(points[0]?.surrogate)} to ${show(points.at(-1)?.surrogate)} over ${points.length} points`,
          }),
        ),
        rewardsOf(found),
        points.length > 0 && pointsTable(completion, points),
      ),
    ),
  ]
}

function rewardsOf({ rewards, reasons, reward, advantage, answer, parsed }) {
  const row = (name, value, why) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "number" }, value),
      el("td", { class: "muted" }, why),
    )
  return scrolling(
    "Rewards",
    table(
      ["reward", "value", "why"],
      Object.entries(rewards).map(([name, value]) => row(name, show(value), reasons[name] ?? "")),
      row("sum", show(reward), `the answer is ${answer ?? "unknown"}, it said ${parsed ?? "nothing"}`),
      row("advantage", signed(advantage), "against its group"),
    ),
  )
}
