// Randomness keyed by (seed, stream, index): Philox 4x32-10, so that row number i is the same row in any order and after any resume.

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

function highProduct(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const cross = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0
}

/** Ten rounds on a counter of four words under a key of two (Salmon et al., SC 2011). */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter as [number, number, number, number]
  let [k0, k1] = key as [number, number]
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(M0, c0)
    const high1 = highProduct(M1, c2)
    const low0 = Math.imul(M0, c0)
    const low1 = Math.imul(M1, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  return [c0, c1, c2, c3]
}

const low = (value: number) => value >>> 0
const high = (value: number) => Math.floor(value / 0x100000000) >>> 0

export class CounterRandom {
  readonly #key: [number, number]
  readonly #counter: [number, number, number, number]
  #block: number[] = []

  /** seed and index are integers below 2^53, stream one below 2^32 that separates uses of the same seed */
  constructor(seed: number, stream: number, index: number) {
    this.#key = [low(seed), high(seed)]
    this.#counter = [0, low(stream), low(index), high(index)]
  }

  uint32(): number {
    if (this.#block.length === 0) {
      this.#block = philox(this.#counter, this.#key)
      this.#counter[0]++
    }
    return this.#block.pop()!
  }

  /** in [0, 1) */
  unit(): number {
    return this.uint32() / 0x100000000
  }

  /** an integer in [0, n), each as likely as any other */
  below(n: number): number {
    const unbiased = 0x100000000 - (0x100000000 % n)
    for (;;) {
      const value = this.uint32()
      if (value < unbiased) return value % n
    }
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  /** 0..n-1 in random order */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i)
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const swap = order[i]!
      order[i] = order[j]!
      order[j] = swap
    }
    return order
  }
}
