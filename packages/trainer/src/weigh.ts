// Turns judged groups into one advantage per token: the outcome's, plus alpha times the process reward still to come.
import { type EstimatorOptions, loadEstimator, type OutcomeGroup } from "./advantages/index.ts"
import type { Group, Judged, Weighted } from "./flow.ts"
import type { AdvantageSpec } from "./recipe.ts"

export async function weigh(
  groups: readonly Group<Judged>[],
  spec: AdvantageSpec,
): Promise<Group<Weighted>[]> {
  const estimator = await loadEstimator(spec.name)
  const options: EstimatorOptions = { scaleRewards: spec.scaleRewards }
  const outcomes: OutcomeGroup[] = groups.map(({ samples }) =>
    samples.map((sample) => ({
      reward: sample.reward,
      length: sample.ids.length,
      steps: sample.points.slice(1).map(({ reward }) => reward),
    })),
  )
  const outcome = estimator.outcome(outcomes, options)
  const process = estimator.process?.(outcomes, options)
  return groups.map((group, g) => ({
    ...group,
    samples: group.samples.map((sample, i) => {
      const advantage = outcome[g]![i]!
      const advantages = new Float32Array(sample.ids.length).fill(advantage)
      const processShare = process ? addProcess(advantages, sample, process[g]![i]!, spec) : 0
      return { ...sample, advantage, advantages, processShare }
    }),
  }))
}

/** A_t += alpha * sum over later points s of gamma^(s - t) z_s, where z of a point sits on the last token before it. */
function addProcess(
  advantages: Float32Array,
  sample: Judged,
  z: readonly number[],
  spec: AdvantageSpec,
): number {
  const { alpha, gamma } = spec
  if (alpha === 0 || z.length === 0) return 0
  let toGo = 0
  let step = z.length - 1
  let sum = 0
  for (let t = sample.points.at(-1)!.position - 1; t >= 0; t--) {
    toGo *= gamma
    if (step >= 0 && sample.points[step + 1]!.position - 1 === t) toGo += z[step--]!
    advantages[t] = advantages[t]! + alpha * toGo
    sum += Math.abs(alpha * toGo)
  }
  return sum
}
