// Plug-ins are files: found by name or path, refused with the nearest name.
import { expect, test } from "bun:test"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { loadPlugin, type PluginFolder, pluginNames } from "@rectify/data/plugin"

const dir = mkdtempSync(join(tmpdir(), "rectify-plugin-"))
const write = (name: string, text: string) => writeFileSync(join(dir, name), text)
write("long-name.ts", "export const reward = () => 1")
write("index.ts", "export const reward = () => 0")
write("empty.ts", "export const other = 1")
write("broken.ts", "export const reward = (")
const plugins: PluginFolder = {
  kind: "reward",
  folder: `${pathToFileURL(dir).href}/`,
  exports: "reward",
  aliases: { old_name: "long-name" },
}

test("names are the folder's files", () => {
  expect(pluginNames(plugins)).toEqual(["broken", "empty", "long-name"])
})

test("kebab, snake, alias and path all open the same file", async () => {
  for (const given of ["long-name", "long_name", "old_name", join(dir, "long-name.ts")]) {
    const { name, module } = await loadPlugin(plugins, given)
    expect(name).toBe("long-name")
    expect((module.reward as () => number)()).toBe(1)
  }
})

test("what cannot be loaded says why", async () => {
  await expect(loadPlugin(plugins, "long-nam")).rejects.toThrow(
    'unknown name "long-nam", did you mean long-name? known: broken',
  )
  await expect(loadPlugin(plugins, "../secret")).rejects.toThrow(
    "expected a file, got ../secret, which is not there",
  )
  await expect(loadPlugin(plugins, "index")).rejects.toThrow("unknown name")
  await expect(loadPlugin(plugins, "empty")).rejects.toThrow(
    "expected an exported function reward, got undefined; known: other",
  )
  await expect(loadPlugin(plugins, "broken")).rejects.toThrow("reward broken: could not be loaded")
})
