// 1 when the completion is one thought between its tags followed by an answer, else 0; the prompt may have opened the thought.
import type { RewardColumns, RewardSettings } from "./scoring/types.ts"

function fault(completion: string, opened: boolean, start: string, end: string): string | null {
  const text = completion.trimStart()
  const body = opened ? text : text.slice(start.length)
  if (!opened && !text.startsWith(start)) return `does not begin with ${start}`
  if (body.includes(start)) return `${start} more than once`
  const parts = body.split(end)
  if (parts.length < 2) return `${end} is missing`
  if (parts.length > 2) return `${end} more than once`
  return parts[1]!.trim() === "" ? `nothing after ${end}` : null
}

export function reward(completions: string[], columns: RewardColumns, settings: RewardSettings) {
  const { think_start, think_end } = settings
  return completions.map((completion, row) => {
    const opened = columns.prompts[row]!.trimEnd().endsWith(think_start)
    const wrong = fault(completion, opened, think_start, think_end)
    return wrong === null ? { score: 1, reason: "well formed" } : { score: 0, reason: wrong }
  })
}
