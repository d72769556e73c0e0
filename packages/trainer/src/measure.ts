// What rewards want to know of the policy itself before they are asked: a column per reward that needs one.
import type { Engine } from "@rectify/engine"
import { rewardName, type Scorer } from "@rectify/rewards"
import type { GoldLogprobOptions } from "@rectify/rewards/gold-logprob"
import type { Group, Sampled } from "./flow.ts"
import { type RecallContext, recall } from "./recall.ts"

export interface MeasureContext extends RecallContext {
  goldLogprob: GoldLogprobOptions
}

/** Does a reward of this name ask the policy, so that only a run can tell what it gives? */
export const asksPolicy = (reward: string): boolean => rewardName(reward) === "gold-logprob"

export async function measure(
  engine: Pick<Engine, "logprobs">,
  groups: readonly Group<Sampled>[],
  { names }: Pick<Scorer, "names">,
  { goldLogprob, ...context }: MeasureContext,
): Promise<Record<string, unknown[]>> {
  if (!names.some(asksPolicy)) return {}
  return { gold_logprob: (await recall(engine, groups, goldLogprob, context)).flat() }
}
