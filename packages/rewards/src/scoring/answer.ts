// Finds the final answer in a completion and compares it with the right one as a number, or letter by letter.

export type Found = { text: string } | { missing: string }

/** Content of the last \boxed{...}, braces balanced; null when there is none or it never closes. */
export function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf("\\boxed{")
  if (start < 0) return null
  const from = start + "\\boxed{".length
  let depth = 1
  for (let i = from; i < text.length; i++) {
    if (text[i] === "{") depth++
    else if (text[i] === "}" && --depth === 0) return text.slice(from, i)
  }
  return null
}

const numberPattern = /[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*\/\s*\d+)?/g
const spelledOut = /^[-+]?[\d\s]+$/

/** After the thought: the last \boxed{}, else a lone number with or without spaces, else the last number, else all of it. */
export function finalAnswer(completion: string, prompt: string, thinkStart: string, thinkEnd: string): Found {
  const end = completion.lastIndexOf(thinkEnd)
  const opened = prompt.trimEnd().endsWith(thinkStart) || completion.includes(thinkStart)
  if (end < 0 && opened) return { missing: "the thought does not end" }
  const said = (end < 0 ? completion : completion.slice(end + thinkEnd.length)).trim()
  if (said === "") return { missing: "no answer" }
  const boxed = lastBoxed(said)
  if (boxed !== null) return { text: boxed }
  if (spelledOut.test(said)) return { text: said }
  return { text: said.match(numberPattern)?.at(-1) ?? said }
}

/** Spaces, dollars, thousands separators and a closing full stop say nothing. */
export function normalize(answer: string): string {
  return answer
    .replace(/\\left|\\right|\\[,;!:]|\\\$|\$/g, "")
    .replace(/\\text\{([^{}]*)\}/g, "$1")
    .replace(/\s+/g, "")
    .replace(/(\d),(?=\d{3}(?:\D|$))/g, "$1")
    .replace(/\.$/, "")
    .replace(/^\+/, "")
}

interface Fraction {
  top: bigint
  bottom: bigint
}

/** Integers, decimals, a/b and \frac{a}{b}, exactly; null for anything else. */
export function readFraction(normalized: string): Fraction | null {
  const latex = /^(-?)\\[dt]?frac\{(-?\d+)\}\{(-?\d+)\}$/.exec(normalized)
  const plain = /^(-?)(\d*)(?:\.(\d+))?(?:\/(\d+))?$/.exec(normalized)
  let fraction: Fraction
  if (latex) fraction = { top: BigInt(latex[2]!), bottom: BigInt(latex[3]!) }
  else if (plain && (plain[2] || plain[3])) {
    const decimals = plain[3] ?? ""
    fraction = {
      top: BigInt(`${plain[2]}${decimals}`),
      bottom: 10n ** BigInt(decimals.length) * BigInt(plain[4] ?? "1"),
    }
  } else return null
  if (fraction.bottom === 0n) return null
  const negative = (latex ?? plain)![1] === "-"
  return negative ? { ...fraction, top: -fraction.top } : fraction
}

export function sameAnswer(left: string, right: string): boolean {
  const [a, b] = [normalize(left), normalize(right)]
  if (a === b) return true
  const [x, y] = [readFraction(a), readFraction(b)]
  return x !== null && y !== null && x.top * y.bottom === y.top * x.bottom
}
