// A thought with what each of its segments earned: r in the margin, tinted green where it helped and red where it hurt.
import type { PointRecord } from "@rectify/trainer"
import type { Io } from "../io.ts"

export interface Segment {
  text: string
  /** r of the segment; null: after the last point, or a thought that was not judged */
  reward: number | null
  /** J at its end */
  surrogate: number | null
  score: number | null
}

/** Cuts a completion at its points; the baseline comes before the first segment. */
export function segments(completion: string, points: readonly PointRecord[] = []): Segment[] {
  const cut: Segment[] = []
  let from = 0
  for (const { offset, reward, surrogate, score } of points.slice(1)) {
    const to = offset ?? from
    cut.push({ text: completion.slice(from, to), reward, surrogate, score })
    from = to
  }
  if (from < completion.length)
    cut.push({ text: completion.slice(from), reward: null, surrogate: null, score: null })
  return cut
}

const margin = 8

export function thought(completion: string, points: readonly PointRecord[] | undefined, io: Io): string {
  const width = Math.max(30, Math.min(110, io.columns) - margin - 2)
  return segments(completion, points)
    .flatMap(({ text, reward }) => {
      const lines = wrap(text.trim(), width)
      const head = reward === null ? " ".repeat(margin) : signed(reward).padStart(margin)
      return lines.map(
        (line, i) => `${tint(i === 0 ? head : " ".repeat(margin), reward, io)}  ${doubts(line, io)}`,
      )
    })
    .join("\n")
}

const signed = (value: number) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(3)}`

/** Below this, a segment neither helped nor hurt. */
const idle = 0.02

function tint(text: string, reward: number | null, { colors }: Io): string {
  if (reward === null) return text
  if (Math.abs(reward) < idle) return colors.dim(text)
  return reward > 0 ? colors.green(text) : colors.red(text)
}

/** Re-checks are what the eye looks for. */
const doubts = (line: string, { colors }: Io) =>
  line.replace(/\b(Wait|Now let me verify)\b/g, (word) => colors.yellow(word))

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const paragraph of text.split("\n")) {
    let line = ""
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else line = line === "" ? word : `${line} ${word}`
    }
    lines.push(line)
  }
  return lines
}
