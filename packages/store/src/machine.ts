// Where a run ran and from which code, so that its numbers can be judged later.
import { cpus, hostname, release, totalmem, type } from "node:os"
import manifest from "../package.json"
import type { Machine } from "./types.ts"

export function machine(): Machine {
  const cores = cpus()
  return {
    hostname: hostname(),
    os: `${type()} ${release()}`,
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memory_bytes: totalmem(),
  }
}

/** "0.1.0+3f9a1c2", with "*" when files were changed since that commit; the version alone outside a git checkout. */
export function codeVersion(): string {
  const git = (...args: string[]) => {
    try {
      const { exitCode, stdout } = Bun.spawnSync(["git", "-C", import.meta.dir, ...args], {
        stderr: "ignore",
      })
      return exitCode === 0 ? stdout.toString().trim() : undefined
    } catch {
      return undefined
    }
  }
  const commit = git("rev-parse", "--short", "HEAD")
  if (commit === undefined) return manifest.version
  return `${manifest.version}+${commit}${git("status", "--porcelain", "-uno") ? "*" : ""}`
}
