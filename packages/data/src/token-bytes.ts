// The raw bytes that each token adds to decoded text, read off the decoder that tokenizer.json names.

interface Component {
  type?: string
  decoders?: Component[]
  prefix?: string
  suffix?: string
  replacement?: string
  pattern?: { String?: string }
  content?: string
}

const utf8 = new TextEncoder()

/** GPT-2's table: printable Latin-1 bytes stand for themselves, the other 68 are moved up to U+0100 and after. */
function byteLevelTable(): Map<string, number> {
  const table = new Map<string, number>()
  let moved = 0
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    table.set(String.fromCodePoint(printable ? byte : 0x100 + moved++), byte)
  }
  return table
}

const byteOf = byteLevelTable()

function byteLevel(token: string): Uint8Array {
  const bytes: number[] = []
  for (const character of token) {
    const byte = byteOf.get(character)
    if (byte === undefined) return utf8.encode(token)
    bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const flatten = (decoder: Component | null | undefined): Component[] =>
  decoder == null ? [] : decoder.type === "Sequence" ? (decoder.decoders ?? []).flatMap(flatten) : [decoder]

/** A function from a token's text to its bytes in the middle of a text; added tokens stand for themselves. */
export function tokenBytes(decoder: unknown, added: ReadonlySet<string>): (token: string) => Uint8Array {
  const parts = flatten(decoder as Component | null)
  const has = (type: string) => parts.find((part) => part.type === type)
  if (has("ByteLevel")) return (token) => (added.has(token) ? utf8.encode(token) : byteLevel(token))
  const wordPiece = has("WordPiece")
  if (wordPiece) {
    const prefix = wordPiece.prefix ?? "##"
    return (token) => utf8.encode(token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`)
  }
  if (parts.length === 0) return (token) => utf8.encode(` ${token}`)
  const metaspace = has("Metaspace")
  const suffix = has("BPEDecoder")?.suffix
  const replacements: [string, string][] = parts
    .filter((part) => part.type === "Replace" && part.pattern?.String !== undefined)
    .map((part) => [part.pattern!.String!, part.content ?? ""])
  if (metaspace) replacements.push([metaspace.replacement ?? "▁", " "])
  if (suffix) replacements.push([suffix, " "])
  const fallback = has("ByteFallback") !== undefined
  return (token) => {
    if (added.has(token)) return utf8.encode(token)
    if (fallback && /^<0x[0-9A-F]{2}>$/.test(token))
      return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16))
    return utf8.encode(replacements.reduce((written, [from, to]) => written.replaceAll(from, to), token))
  }
}
