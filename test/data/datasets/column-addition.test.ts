// Column addition as a dataset: keyed by index, resumable, split, and every demonstration's answer checked by ordinary addition.
import { expect, test } from "bun:test"
import { type DatasetOptions, openDataset } from "@rectify/data"

const open = (options: DatasetOptions = {}, seed = 1) => openDataset("column-addition", options, { seed })
const sum = (prompt: string) => {
  const columns = [...prompt.matchAll(/(\d) \+ (\d)/g)]
  const number = (side: 1 | 2) =>
    BigInt(
      columns
        .map((column) => column[side])
        .reverse()
        .join(""),
    )
  return String(number(1) + number(2))
}
const joined = (answer: string) => answer.replaceAll(" ", "")

test("take() is keyed by seed and index, and restore() goes on with the very next", async () => {
  const [one, two, other] = [await open(), await open(), await open({}, 2)]
  const eight = await one.take(8)
  expect([...(await two.take(3)), ...(await two.take(5))]).toEqual(eight)
  expect(await other.take(8)).not.toEqual(eight)
  const resumed = await open()
  resumed.restore(JSON.parse(JSON.stringify(one.state())))
  expect(await resumed.take(5)).toEqual(await one.take(5))
  for (const state of [null, {}, { next: -1 }, { next: 1.5 }])
    expect(() => resumed.restore(state)).toThrow('expected a state such as {"next":64}')
})

test("examples: prompt, what people see, and the answer by ordinary addition", async () => {
  for (const { prompt, shown, answer, columns } of await (await open()).take(500)) {
    expect(joined(answer!)).toBe(sum(prompt))
    expect(shown).toBe(`${columns.left} + ${columns.right}`)
  }
})

test("held-out problems are the same for every seed, distinct, and never trained on", async () => {
  const options = { min_columns: 2, max_columns: 2 }
  const [one, two] = [await open(options, 1), await open(options, 2)]
  const heldOut = one.heldOut(200)
  expect(two.heldOut(200)).toEqual(heldOut)
  expect(one.heldOut(50)).toEqual(heldOut.slice(0, 50))
  const prompts = new Set(heldOut.map(({ prompt }) => prompt))
  expect(prompts.size).toBe(200)
  const trained = await one.take(3000)
  expect(trained.filter(({ prompt }) => prompts.has(prompt))).toEqual([])
  for (let index = 0; index < 3000; index++) expect(prompts.has(one.demonstration!(index).prompt)).toBe(false)
  expect(() => one.heldOut(5000)).toThrow(
    /expected at most \d+ held-out problems with 2 to 2 columns, got 5000/,
  )
})

test("clean demonstrations are the shortest and end in the right answer", async () => {
  const dataset = await open()
  const stage = { noisy: false, max_columns: 4 }
  for (let index = 0; index < 500; index++) {
    const { prompt, completion, trainFrom } = dataset.demonstration!(index, stage)
    const [thought, answer] = completion.split(" </think> ")
    expect(joined(answer!)).toBe(sum(prompt))
    expect(trainFrom).toBe(0)
    expect(thought!.split(" ").length).toBe(10 * [...prompt.matchAll(/\+/g)].length)
  }
})

test("noisy demonstrations: a share is cut at a full stop, and there only the answer carries loss", async () => {
  const dataset = await open({ p_early: 0.25 })
  let [early, right, empty] = [0, 0, 0]
  const n = 4000
  for (let index = 0; index < n; index++) {
    const { prompt, completion, trainFrom } = dataset.demonstration!(index)
    const [thought, answer] = completion.split("</think> ")
    if (joined(answer!) === sum(prompt)) right++
    if (trainFrom === 0) continue
    early++
    expect(completion.slice(trainFrom)).toBe(` ${answer}`)
    if (thought === "") empty++
    else expect(thought!.endsWith(" . ")).toBe(true)
  }
  expect(Math.abs(early - n / 4)).toBeLessThan(4 * Math.sqrt((n * 3) / 16))
  expect(empty).toBeGreaterThan(20)
  // 0.3 wrong x 0.25 uncaught per column, 3.5 columns: about three quarters are right
  expect(right / n).toBeGreaterThan(0.7)
  expect(right / n).toBeLessThan(0.88)
})

test("demonstrations are keyed by seed, index and stage", async () => {
  const [one, two, other] = [await open(), await open(), await open({}, 2)]
  const stage = { min_columns: 5 }
  expect(two.demonstration!(7, stage)).toEqual(one.demonstration!(7, { ...stage }))
  expect(one.demonstration!(7, stage).prompt).toContain("ten-thousands")
  const all = (dataset: typeof one) => Array.from({ length: 20 }, (_, i) => dataset.demonstration!(i))
  expect(all(two)).toEqual(all(one).slice())
  expect(all(other)).not.toEqual(all(one))
})

test("its tokenizer reads and writes every demonstration", async () => {
  const dataset = await open()
  const tokenizer = dataset.tokenizer!()
  expect(tokenizer.size).toBe(38)
  for (let index = 0; index < 200; index++) {
    const { prompt, completion } = dataset.demonstration!(index)
    const ids = tokenizer.encode(completion)
    expect(ids.length).toBe(completion.split(" ").length)
    expect(tokenizer.decode(ids)).toBe(completion)
    expect(tokenizer.encode(prompt).includes(0)).toBe(false)
  }
})

test("a completion is measured against its own example", async () => {
  const dataset = await open()
  const example = { id: "", prompt: "", columns: { left: 7, right: 8, columns: 1 } }
  const step = "ones 7 + 8 + 0 = 1 5 ."
  expect(dataset.measure!(example, `${step} Wait , let me check again : ${step}`).needless_rechecks).toBe(1)
})

test("options are checked", async () => {
  await expect(open({ p_er: 0.1 })).rejects.toThrow("did you mean p_err?")
  await expect(open({ min_columns: 4, max_columns: 3 })).rejects.toThrow(
    "expected min_columns of at most max_columns 3, got 4",
  )
  await expect(open({ max_columns: 6 })).rejects.toThrow(
    "expected an integer from 1 to 5 for max_columns, got 6",
  )
})
