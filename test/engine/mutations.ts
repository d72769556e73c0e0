// Makes bad calls of good ones: everything a value could wrongly be, at every place of the arguments.

type Path = (string | number)[]

/** Every place inside a request, containers included. */
function places(value: unknown, path: Path = []): Path[] {
  const inner =
    value !== null && typeof value === "object" && !ArrayBuffer.isView(value)
      ? Object.entries(value).flatMap(([key, child]) => places(child, [...path, key]))
      : []
  return [path, ...inner]
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value)
}

/** The request with `bad` at one place; what is not on the way is shared. */
function withAt(value: unknown, path: Path, bad: unknown): unknown {
  if (path.length === 0) return bad
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
  copy[path[0]!] = withAt(copy[path[0]!], path.slice(1), bad)
  return copy
}

export function detached<T extends ArrayBufferView>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
  return array
}

function shrunk(): Float32Array {
  const buffer = new ArrayBuffer(64, { maxByteLength: 64 })
  const array = new Float32Array(buffer, 32, 8)
  buffer.resize(16)
  return array
}

const never = (): never => {
  throw new Error("getter: expected not to be read, got read")
}

/** What no field takes, or only some do. */
const strange: [string, () => unknown][] = [
  ["undefined", () => undefined],
  ["null", () => null],
  ["true", () => true],
  ["NaN", () => Number.NaN],
  ["Infinity", () => Number.POSITIVE_INFINITY],
  ["-Infinity", () => Number.NEGATIVE_INFINITY],
  ["-1", () => -1],
  ["-0", () => -0],
  ["0.5", () => 0.5],
  ["2^31", () => 2 ** 31],
  ["2^53 + 2", () => 2 ** 53 + 2],
  ["1e308", () => 1e308],
  ["bigint", () => 1n],
  ["symbol", () => Symbol("s")],
  ["string", () => "nonsense"],
  ["long string", () => "\u0000é".repeat(50_000)],
  ["function", () => () => 0],
  ["{}", () => ({})],
  ["[]", () => []],
  ["[NaN]", () => [Number.NaN]],
  ["nested", () => [[[]]]],
  ["getter", () => Object.defineProperty({}, "kind", { get: never, enumerable: true })],
  ["proxy", () => new Proxy({}, { get: never, ownKeys: never })],
  ["Date", () => new Date(0)],
  ["DataView", () => new DataView(new ArrayBuffer(8))],
  ["ArrayBuffer", () => new ArrayBuffer(8)],
  ["Int8Array", () => new Int8Array(4)],
  ["Uint16Array", () => new Uint16Array(4)],
  ["Float64Array", () => new Float64Array(4)],
  ["BigInt64Array", () => new BigInt64Array(4)],
  ["Uint8Array", () => new Uint8Array(3)],
  ["Int32Array(0)", () => new Int32Array(0)],
  ["Int32Array(3)", () => new Int32Array(3)],
  ["Float32Array(0)", () => new Float32Array(0)],
  ["Float32Array(3)", () => new Float32Array(3)],
  ["detached Int32Array", () => detached(new Int32Array(9))],
  ["detached Float32Array", () => detached(new Float32Array(9))],
  ["detached Uint8Array", () => detached(new Uint8Array(9))],
  ["out-of-bounds Float32Array", shrunk],
]

type Numbers = Float32Array | Int32Array | Uint8Array

/** The same array with one thing wrong. */
const twisted: [string, (array: Numbers) => unknown][] = [
  ["one short", (a) => a.slice(1)],
  ["one long", (a) => Object.assign(new (a.constructor as Float32ArrayConstructor)(a.length + 1), a)],
  ["NaN or 0", (a) => a.slice().fill(Number.NaN, 1, 2)],
  ["Infinity", (a) => a.slice().fill(Number.POSITIVE_INFINITY, a.length - 1)],
  ["-Infinity", (a) => a.slice().fill(Number.NEGATIVE_INFINITY, 0, 1)],
  ["huge", (a) => a.slice().fill(2 ** 31 - 1)],
  ["negative", (a) => a.slice().fill(-(2 ** 31))],
  ["-1 last", (a) => a.slice().fill(-1, a.length - 1)],
  ["zeros", (a) => a.slice().fill(0)],
  ["backwards", (a) => a.slice().reverse()],
  ["1e38", (a) => a.slice().fill(1e38)],
  ["shared", (a) => new (a.constructor as Int32ArrayConstructor)(new SharedArrayBuffer(a.byteLength))],
]

export interface Outcome {
  accepted: number
  refused: number
  wrong: string[]
}

/** Runs one call, whatever it is; a refusal must be an Error that says where and what was expected. */
export async function attempt(outcome: Outcome, what: string, call: () => unknown): Promise<void> {
  try {
    await call()
    outcome.accepted++
  } catch (error) {
    outcome.refused++
    const text = error instanceof Error ? error.message : `not an Error: ${String(error)}`
    if (!/: (expected .*, got |cannot \w+: )/s.test(text))
      outcome.wrong.push(`${what}: ${text.slice(0, 200)}`)
  }
}

/** Every place of the arguments times everything it could wrongly be. */
export function* mutations(good: () => unknown[]): Generator<[string, unknown[]]> {
  for (const path of places(good()).slice(1)) {
    const name = path.join(".")
    for (const [how, make] of strange) yield [`${name} = ${how}`, withAt(good(), path, make()) as unknown[]]
    const here = at(good(), path)
    if (here instanceof Float32Array || here instanceof Int32Array || here instanceof Uint8Array)
      for (const [how, twist] of twisted)
        yield [`${name}: ${how}`, withAt(good(), path, twist(here)) as unknown[]]
    else if (here !== null && typeof here === "object" && !Array.isArray(here))
      yield [`${name}: unknown key`, withAt(good(), [...path, "unknownKey"], 1) as unknown[]]
  }
  for (let n = 0; n <= good().length; n++) yield [`${n} arguments`, good().slice(0, n)]
}
