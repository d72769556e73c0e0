// Opens a dataset by name: datasets/<name>.ts, a path to one's own, or a file of rows.
import { loadPlugin, type PluginFolder, pluginNames } from "./plugin.ts"
import type { Dataset, DatasetContext, DatasetModule, DatasetOptions } from "./types.ts"

const plugins: PluginFolder = {
  kind: "dataset",
  folder: new URL("./datasets/", import.meta.url).href,
  exports: "open",
}

export const datasetNames = () => pluginNames(plugins)

export async function openDataset(
  name: string,
  options: DatasetOptions = {},
  context: Partial<DatasetContext> = {},
): Promise<Dataset> {
  const isRows = name.endsWith(".jsonl")
  const { module } = await loadPlugin(plugins, isRows ? "jsonl" : name)
  const { open } = module as unknown as DatasetModule
  return open(isRows ? { path: name, ...options } : options, { seed: 0, shuffle: true, ...context })
}
