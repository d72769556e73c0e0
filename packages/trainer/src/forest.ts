// Builds token forests: segments in order, each hanging from a prefix of an earlier one.
import type { Forest } from "@rectify/engine"

export class ForestBuilder {
  private readonly parents: number[] = []
  private readonly parentLengths: number[] = []
  private readonly segments: ArrayLike<number>[] = []
  private readonly starts: number[] = []
  tokens = 0

  /** A segment of its own; returns its index. */
  root(tokens: ArrayLike<number>): number {
    return this.push(-1, 0, tokens)
  }

  /** A segment after the first `parentLength` tokens of `parent`. */
  branch(parent: number, parentLength: number, tokens: ArrayLike<number>): number {
    const available = this.segments[parent]?.length ?? 0
    if (parentLength < 1 || parentLength > available)
      throw new Error(`forest: expected a parent length of 1..${available}, got ${parentLength}`)
    return this.push(parent, parentLength, tokens)
  }

  /** Where a segment's tokens begin among all tokens. */
  start(segment: number): number {
    return this.starts[segment]!
  }

  build(): Forest {
    const tokens = new Int32Array(this.tokens)
    for (const [index, segment] of this.segments.entries()) tokens.set(segment, this.starts[index]!)
    return {
      parent: Int32Array.from(this.parents),
      parentLength: Int32Array.from(this.parentLengths),
      length: Int32Array.from(this.segments, (segment) => segment.length),
      tokens,
    }
  }

  private push(parent: number, parentLength: number, tokens: ArrayLike<number>): number {
    if (tokens.length === 0) throw new Error("forest: expected at least one token in a segment, got none")
    this.parents.push(parent)
    this.parentLengths.push(parentLength)
    this.segments.push(tokens)
    this.starts.push(this.tokens)
    this.tokens += tokens.length
    return this.segments.length - 1
  }
}
