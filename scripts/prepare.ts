// Makes a clone ready to run: installs the packages and builds the addon, and does nothing when neither has changed.
// Runs before every command and before anything is installed, so it imports only what Bun brings. Speaks on stderr only.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dir, "..")
const addon = join(root, "build/Release/rectify.node")

/** Hash of names and contents: a checkout that only touched modification times rebuilds nothing. */
function hashFiles(files: string[], ...more: string[]): string {
  const hash = new Bun.CryptoHasher("sha256")
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0")
  return hash.update(JSON.stringify(more)).digest("hex")
}

function filesUnder(dir: string): string[] {
  return readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

/** Runs `make` unless the stamp says that it already ran for this state of the sources. */
async function once(stamp: string, state: string, result: string, make: () => Promise<void>): Promise<void> {
  const file = join(root, stamp)
  if (existsSync(result) && existsSync(file) && readFileSync(file, "utf8") === state) return
  rmSync(file, { force: true })
  await make()
  mkdirSync(join(file, ".."), { recursive: true })
  writeFileSync(file, state)
}

function fail(message: string): never {
  console.error(`rectify: ${message}`)
  process.exit(1)
}

async function install(): Promise<void> {
  console.error("rectify: installing packages")
  // The build itself needs the development packages, whatever the caller's environment says about production.
  const { NODE_ENV: _, npm_config_production: __, npm_config_omit: ___, ...env } = process.env
  const run = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: root,
    env,
    stdin: "ignore",
    stdout: Bun.file("/dev/stderr"),
    stderr: "inherit",
  })
  if ((await run.exited) !== 0) fail("`bun install --frozen-lockfile` failed; its output is above")
}

/** One line that says what to install, per missing tool. */
function checkTools(): void {
  const cxx = process.env.CXX?.split(" ")[0]
  const needs: [found: boolean, what: string, install: string][] = [
    [
      cxx ? Boolean(Bun.which(cxx)) : ["c++", "g++", "clang++"].some((name) => Bun.which(name)),
      cxx ? `the C++ compiler that CXX names (${cxx})` : "a C++20 compiler",
      "apt install g++ | dnf install gcc-c++ | brew install llvm",
    ],
    [Boolean(Bun.which("cmake")), "cmake", "apt install cmake | dnf install cmake | brew install cmake"],
    [
      ["make", "ninja"].some((name) => Bun.which(name)),
      "make or ninja",
      "apt install make | dnf install make | brew install ninja",
    ],
  ]
  const missing = needs.filter(([found]) => !found)
  for (const [, what, command] of missing)
    console.error(`rectify: building the engine needs ${what}, which was not found; install it: ${command}`)
  if (missing.length > 0) process.exit(1)
}

/** On the PATH, or where its installer puts it without telling the PATH; RECTIFY_CUDA=off: not wanted. */
const nvcc =
  process.env.RECTIFY_CUDA?.toLowerCase() === "off"
    ? undefined
    : (process.env.CUDACXX ??
      Bun.which("nvcc") ??
      [process.env.CUDA_HOME, process.env.CUDA_PATH, "/usr/local/cuda"]
        .map((home) => join(home ?? "", "bin/nvcc"))
        .find((file) => existsSync(file)))

async function build(): Promise<void> {
  checkTools()
  const started = performance.now()
  console.error(`rectify: building the engine (once, ${nvcc ? "some minutes with CUDA" : "about a minute"})`)
  const cmakeJs = join(root, "node_modules/cmake-js/bin/cmake-js")
  const run = Bun.spawn(
    [
      process.execPath,
      cmakeJs,
      "build",
      "--parallel",
      String(availableParallelism()),
      "-l",
      "warn",
      ...(nvcc ? [] : ["--CDRECTIFY_CUDA=OFF"]),
    ],
    {
      cwd: root,
      env: { ...process.env, ...(nvcc && { CUDACXX: nvcc }) },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  )
  let log = ""
  const follow = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true })
      log += text
      const percent = text.match(/\[ *\d+(%|\/\d+)\]/g)?.at(-1)
      if (percent && process.stderr.isTTY) process.stderr.write(`\r${percent} `)
    }
  }
  await Promise.all([follow(run.stdout), follow(run.stderr)])
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
  if ((await run.exited) !== 0 || !existsSync(addon)) {
    console.error(log)
    fail(
      `the engine did not build; the compiler's words are above. \`rm -rf build\` starts afresh${nvcc ? "; RECTIFY_CUDA=off leaves the GPU out" : ""}`,
    )
  }
  const warnings = log.split("\n").filter((line) => line.includes("warning:"))
  if (warnings.length > 0) console.error(warnings.join("\n"))
  console.error(`rectify: built in ${((performance.now() - started) / 1000).toFixed(0)} s`)
}

const manifests = [
  "package.json",
  ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/package.json`),
]
await once(
  "node_modules/.rectify-installed",
  hashFiles(["bun.lock", "bunfig.toml", ...manifests]),
  join(root, "node_modules"),
  install,
)

// A different compiler, CUDA toolkit or folder makes a different addon.
const tools = ["CXX", "CXXFLAGS", "CMAKE_GENERATOR"].map((name) => process.env[name] ?? "")
const setting = JSON.stringify([root, ...tools, nvcc])
await once(
  "build/.rectify-built",
  hashFiles(["CMakeLists.txt", "bun.lock", ...filesUnder("native")], setting),
  addon,
  async () => {
    const settingFile = join(root, "build/.rectify-setting")
    const known = existsSync(settingFile) ? readFileSync(settingFile, "utf8") : ""
    if (known !== setting) rmSync(join(root, "build"), { recursive: true, force: true })
    mkdirSync(join(root, "build"), { recursive: true })
    writeFileSync(settingFile, setting)
    await build()
  },
)
