// What an advantage estimator is: an outcome advantage per completion, and, for the repro_ ones, a normalised reward per point.

/** One completion as an estimator sees it. */
export interface Outcome {
  /** NaN: no reward applies; it takes no part in any statistic and its advantage is 0 */
  reward: number
  /** tokens */
  length: number
  /** r of each point after the baseline; empty when it was not judged */
  steps: number[]
}

export type OutcomeGroup = readonly Outcome[]

export interface EstimatorOptions {
  scaleRewards: "group" | "batch" | "none"
}

/** A file in advantages/ exports `outcome`, and `process` if it takes process rewards. */
export interface Estimator {
  /** [group][sample]: the same for every token of a completion */
  outcome(groups: readonly OutcomeGroup[], options: EstimatorOptions): number[][]
  /** [group][sample][step]: z, still to be summed from the end */
  process?(groups: readonly OutcomeGroup[], options: EstimatorOptions): number[][][]
}
