// The engine's door: its words, how to open one, and the reading of model folders.
export {
  type Adapter,
  adapterConfigFile,
  isAdapterFolder,
  linearModules,
  readAdapter,
  targetModules,
} from "./adapter.ts"
export { type ConfigFiles, parseConfig, readConfig } from "./config.ts"
export {
  createEngine,
  deviceReport,
  engineDefaults,
  type OpenedEngine,
  openEngine,
  planMemory,
} from "./engine.ts"
export * as kernels from "./kernels.ts"
export { readSafetensorsHeader, type SafetensorsHeader, type StoredTensor } from "./safetensors.ts"
export { plainSampling } from "./sampling.ts"
export * from "./types.ts"
