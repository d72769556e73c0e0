// Right completions lose their share of the limit; wrong ones lose nothing, so that being short is never a way out.
import { expect, test } from "bun:test"
import { reward } from "@rectify/rewards/length-penalty"

const settings = {
  max_completion_length: 200,
  think_start: "<think>",
  think_end: "</think>",
  soft_overlong_cache: 0,
}

test("right, wrong and not applicable", () => {
  const values = reward(
    ["</think> 5", "</think> 6", "</think> 5", "</think> 5"],
    {
      prompts: ["", "", "", ""],
      completion_ids: [new Int32Array(50), new Int32Array(50), new Int32Array(200), new Int32Array(50)],
      answer: ["5", "5", "5", null],
    },
    settings,
  )
  expect(values.map((value) => value?.score)).toEqual([-0.25, 0, -1, undefined])
  expect(values[0]!.reason).toBe("50 of 200 tokens")
})
