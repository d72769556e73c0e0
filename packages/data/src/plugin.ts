// Finds a plug-in (a dataset, a reward) by the name of its file, or by its path: there is no registry.
import { existsSync, readdirSync } from "node:fs"
import { basename, isAbsolute, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { nearest } from "./nearest.ts"

export interface PluginFolder {
  /** what is looked for: "dataset", "reward" */
  kind: string
  /** file URL of the folder, ending in "/" */
  folder: string
  /** the function each file must export */
  exports: string
  /** names that other tools use for the same thing */
  aliases?: Record<string, string>
}

export interface Plugin {
  name: string
  module: Record<string, unknown>
}

/** Names that can be given, sorted. */
export function pluginNames({ folder }: PluginFolder): string[] {
  return readdirSync(fileURLToPath(folder))
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .map((file) => basename(file, ".ts"))
    .sort()
}

const isPath = (name: string) => isAbsolute(name) || name.startsWith("./") || name.startsWith("../")

function fileOf(plugins: PluginFolder, given: string): { name: string; url: string } {
  if (isPath(given)) {
    const path = resolve(given)
    if (!existsSync(path))
      throw new Error(`${plugins.kind}: expected a file, got ${given}, which is not there`)
    return { name: basename(path).replace(/\.[cm]?[jt]s$/, ""), url: pathToFileURL(path).href }
  }
  const name = plugins.aliases?.[given] ?? given.replaceAll("_", "-")
  const known = pluginNames(plugins)
  if (known.includes(name)) return { name, url: new URL(`${name}.ts`, plugins.folder).href }
  const near = nearest(name, known)
  throw new Error(
    `${plugins.kind}: unknown name ${JSON.stringify(given)}${near ? `, did you mean ${near}?` : ""} known: ${known.join(", ")}; ` +
      `your own: a path such as ./my-${plugins.kind}.ts`,
  )
}

export async function loadPlugin(plugins: PluginFolder, given: string): Promise<Plugin> {
  const { name, url } = fileOf(plugins, given)
  let module: Record<string, unknown>
  try {
    module = await import(url)
  } catch (error) {
    throw new Error(`${plugins.kind} ${given}: could not be loaded: ${(error as Error).message}`, {
      cause: error,
    })
  }
  if (typeof module[plugins.exports] !== "function")
    throw new Error(
      `${plugins.kind} ${given}: expected an exported function ${plugins.exports}, got ${typeof module[plugins.exports]}; ` +
        `known: ${Object.keys(module).join(", ") || "no exports"}`,
    )
  return { name, module }
}
