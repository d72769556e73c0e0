// Builds the native tests beside the addon and runs each of them: native/test/NAME.cpp is a program that exits 0 or says what failed.
import { beforeAll, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dir, "..")
const minutes = 60_000

function run(...command: string[]): { code: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: root, stdin: "ignore" })
  return { code: exitCode, output: `${stdout}${stderr}` }
}

beforeAll(() => {
  const { code, output } = run(
    ...[
      "cmake",
      "--build",
      "build",
      "--target",
      "native_tests",
      "--parallel",
      String(availableParallelism()),
    ],
  )
  if (code !== 0) throw new Error(`native_tests: did not build\n${output}`)
}, 15 * minutes)

for (const file of readdirSync(join(root, "native/test")).filter((name) => name.endsWith(".cpp"))) {
  const name = file.replace(/\.cpp$/, "")
  test(
    `native/test/${file}`,
    () => {
      const { code, output } = run(join(root, "build/native_tests", name))
      expect(code, output).toBe(0)
      expect(output).toContain(`${name}: `)
    },
    5 * minutes,
  )
}
