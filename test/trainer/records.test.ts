// Completions as they are kept: texts, rewards, and a trajectory whose points lie on the text.
import { expect, test } from "bun:test"
import { toRecords, toSample } from "../../packages/trainer/src/records.ts"
import { asTokenizer, group, pieceTokenizer, prompt, weighted } from "./fixtures.ts"

const pieces = pieceTokenizer(["ab", "\n\n", "c", "</think>", "1"])
const ids = [...pieces.encode("ab\n\nc</think>1"), 0]
const point = (position: number, reward: number) => ({
  position,
  surrogate: -1,
  magnitude: 0.5,
  stability: 1,
  score: 0.4,
  reward,
})
const sample = weighted(ids, 0.5, {
  text: "ab\n\nc</think>1",
  points: [point(0, 0), point(2, 0.3), point(4, 0.1), point(6, 0)],
  parsed: "1",
  reasons: { accuracy: "right: 1" },
})
const of = {
  ...prompt([1], "1"),
  example: { id: "7", prompt: "?", shown: "what is 1", answer: "1", columns: {} },
}

test("a record, with each point as an offset in the text", () => {
  const [record] = toRecords([group(of, [sample])], asTokenizer(pieces))
  expect(record).toMatchObject({
    prompt_id: "7",
    sample: 0,
    prompt: "what is 1",
    completion: "ab\n\nc</think>1",
    answer: "1",
    parsed: "1",
    correct: true,
    reward: 1,
    advantage: 0.5,
    length: 6,
    finish_reason: "stop",
  })
  const text = record!.completion
  expect(record!.points!.map(({ offset }) => text.slice(0, offset))).toEqual([
    "",
    "ab\n\n",
    "ab\n\nc</think>",
    text,
  ])
})

test("no trajectory where nothing was judged, and a sample event like it", () => {
  const bare = { ...sample, points: [], reward: Number.NaN }
  expect(toRecords([group(of, [bare])], asTokenizer(pieces))[0]!.points).toBeUndefined()
  expect(toSample(of, bare, asTokenizer(pieces))).toEqual({
    prompt: "what is 1",
    completion: "ab\n\nc</think>1",
    reward: 0,
    answer: "1",
    points: undefined,
  })
})
