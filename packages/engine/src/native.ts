// Loads the addon that CMake builds; everything else in this package reaches C++ through here.
import { createRequire } from "node:module"
import type { Addon } from "./addon-types.ts"

const file = "../../../build/Release/rectify.node"

function load(): Addon {
  const require = createRequire(import.meta.url)
  try {
    return require(file) as Addon
  } catch (error) {
    const missing =
      (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" || /cannot find/i.test(`${error}`)
    const why = missing ? "got none" : `got ${(error as Error).message}`
    throw new Error(`engine: expected the built addon build/Release/rectify.node, ${why}; run: bun run build`)
  }
}

let loaded: Addon | undefined

/** The addon, loaded at its first use, so that importing this package costs nothing and fails nowhere. */
export function addon(): Addon {
  loaded ??= load()
  return loaded
}
