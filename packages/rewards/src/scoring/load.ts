// Finds the rewards a recipe names: packages/rewards/src/<name>.ts, or a path to one's own file.
import { loadPlugin, type PluginFolder, pluginNames } from "@rectify/data/plugin"
import type { Reward } from "./types.ts"

const plugins: PluginFolder = {
  kind: "reward",
  folder: new URL("../", import.meta.url).href,
  exports: "reward",
  aliases: {
    accuracy_reward: "accuracy",
    reasoning_accuracy_reward: "accuracy",
    think_format_reward: "format",
    get_soft_overlong_punishment: "soft-overlong",
  },
}

export interface NamedReward {
  name: string
  reward: Reward
}

export const rewardNames = () => pluginNames(plugins)

export async function loadReward(given: string): Promise<NamedReward> {
  const { name, module } = await loadPlugin(plugins, given)
  return { name, reward: module.reward as Reward }
}
