// 1 when the final answer is the right one, as a number or letter by letter, else 0; rows without an answer do not count.
import { finalAnswer, normalize, sameAnswer } from "./scoring/answer.ts"
import type { RewardColumns, RewardSettings, RewardValue } from "./scoring/types.ts"

export function reward(
  completions: string[],
  columns: RewardColumns,
  settings: Pick<RewardSettings, "think_start" | "think_end">,
): (RewardValue | null)[] {
  return completions.map((completion, row) => {
    const right = columns.answer[row]
    if (right == null) return null
    const found = finalAnswer(completion, columns.prompts[row]!, settings.think_start, settings.think_end)
    if ("missing" in found) return { score: 0, reason: found.missing }
    const parsed = normalize(found.text)
    if (sameAnswer(found.text, right)) return { score: 1, parsed, reason: `right: ${parsed}` }
    return { score: 0, parsed, reason: `wrong: ${parsed}, expected ${normalize(right)}` }
  })
}
