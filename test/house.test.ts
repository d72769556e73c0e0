// The rules of the house: imports point down, every source has its mirror, nothing knows one machine, and no instruction of a
// newer processor leaks into code that every processor runs.
import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { Glob } from "bun"

const root = join(import.meta.dir, "..")
const files = (pattern: string) => [...new Glob(pattern).scanSync({ cwd: root, dot: true })].sort()
const read = (file: string) => readFileSync(join(root, file), "utf8")
const sources = files("packages/*/src/**/*.ts")

describe("imports point down", () => {
  const below: Record<string, string[]> = {
    engine: [],
    http: [],
    data: [],
    rewards: ["data"],
    store: [],
    serve: ["engine", "data", "http"],
    evaluation: ["data", "rewards"],
    trainer: ["rewards", "data", "engine", "store", "evaluation"],
    api: ["store", "http"],
    cli: ["engine", "data", "rewards", "store", "trainer", "api", "serve", "evaluation"],
  }
  const imports = (source: string) =>
    [...source.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1]!)

  test.each(Object.keys(below))("packages/%s", (name) => {
    const mine = sources.filter((file) => file.startsWith(`packages/${name}/`))
    expect(mine.length).toBeGreaterThan(0)
    const declared = Object.keys(JSON.parse(read(`packages/${name}/package.json`)).dependencies ?? {})
    const wrong: string[] = []
    for (const file of mine)
      for (const target of imports(read(file))) {
        if (target.startsWith(".")) {
          const path = relative(join(root, "packages", name), resolve(root, dirname(file), target))
          if (path.startsWith("..") && !path.startsWith("../../recipes/"))
            wrong.push(`${file} reaches out to ${target}`)
        } else if (target.startsWith("@rectify/")) {
          if (!below[name]!.includes(target.split("/")[1]!)) wrong.push(`${file} imports ${target}`)
        }
        const packageName = target.startsWith("@")
          ? target.split("/").slice(0, 2).join("/")
          : target.split("/")[0]!
        if (!/^(\.|node:|bun(:|$))/.test(target) && !declared.includes(packageName))
          wrong.push(`${file} imports ${packageName}, which packages/${name}/package.json does not declare`)
      }
    expect(wrong).toEqual([])
  })

  test("native/", () => {
    const order = ["device", "kernels", "model", "engine", "addon"]
    const wrong: string[] = []
    for (const file of files("native/**/*.{h,cpp,cu,cuh,def}")) {
      const mine = order.indexOf(file.split("/")[1]!)
      if (mine < 0) continue
      for (const [, target] of read(file).matchAll(/^#include "([^"]+)"/gm)) {
        const layer = relative("native", join(dirname(file), target!)).split("/")[0]!
        if (order.indexOf(layer) > mine || !order.includes(layer)) wrong.push(`${file} includes ${target}`)
      }
      if (/#include <(napi|node_api)/.test(read(file)) && !file.startsWith("native/addon/"))
        wrong.push(`${file} includes N-API`)
    }
    expect(wrong).toEqual([])
  })
})

describe("every source has its mirror", () => {
  const transpiler = new Bun.Transpiler({ loader: "ts" })
  /** Files of types alone, and files that only pass on what others export, hold nothing to test. */
  const hasCode = (file: string) =>
    transpiler
      .transformSync(read(file))
      .replace(/export\s*(\*|\{[^}]*\})\s*from\s*"[^"]+";?/g, "")
      .trim() !== ""

  test("packages/NAME/src/x.ts has test/NAME/x.test.ts, or its folder has one", () => {
    const mirror = (path: string) =>
      path.replace(/^packages\/([^/]+)\/src\/(.+?)(\.ts)?$/, "test/$1/$2.test.ts")
    const missing = sources.filter(
      (file) => hasCode(file) && ![file, dirname(file)].some((path) => existsSync(join(root, mirror(path)))),
    )
    expect(missing.map(mirror)).toEqual([])
  })

  // native/engine and native/addon are judged through their TypeScript door, in test/engine.
  test("native/kernels/x.cpp has native/test/x.cpp; device and model that or native/test/LAYER.cpp", () => {
    const judged = (file: string) => {
      const [, layer, name] = file.match(/^native\/(\w+)\/(\w+)\.cpp$/)!
      // name_backward.cpp is judged with name.cpp
      const judges = layer === "kernels" ? [name, name!.replace(/_(forward|backward)$/, "")] : [name, layer]
      return judges.some((judge) => existsSync(join(root, `native/test/${judge}.cpp`)))
    }
    expect(files("native/{device,kernels,model}/*.cpp").filter((file) => !judged(file))).toEqual([])
  })
})

test("every file says first what it is for", () => {
  const silent = [...sources, ...files("{scripts,bench,test}/**/*.ts")].filter(
    (file) => !/^(#!.*\n)?\/\/ \S/.test(read(file)),
  )
  const native = files("native/**/*.{h,cpp,cu,cuh,def}").filter((file) => !read(file).startsWith("// "))
  expect([...silent, ...native]).toEqual([])
})

test("nothing knows the path of one machine", () => {
  const text = files(
    "{packages,native,test,bench,scripts,recipes,docs,.ci}/**/*.{ts,cpp,h,cu,py,sh,md,yaml,json,def}",
  )
  const all = [...text, ".ci/run", ...files("*.{md,json,toml,txt}")].filter(
    (file) => !file.includes("node_modules/"),
  )
  const path = new RegExp(["/work/", "/root/", "/home/\\w+/", "/tmp/\\w+/\\w+", "\\.cache/peer"].join("|"))
  const found = all.filter(
    (file) => file !== "test/house.test.ts" && existsSync(join(root, file)) && path.test(read(file)),
  )
  expect(found).toEqual([])
})

test("versions are exact", () => {
  const loose: string[] = []
  for (const file of ["package.json", ...files("packages/*/package.json")]) {
    const { dependencies, devDependencies } = JSON.parse(read(file))
    for (const [name, version] of Object.entries<string>({ ...dependencies, ...devDependencies }))
      if (version !== "workspace:*" && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
        loose.push(`${file}: ${name}@${version}`)
  }
  expect(loose).toEqual([])
})

describe("no newer instruction leaks", () => {
  const lines = (...command: string[]) => Bun.spawnSync(command, { cwd: root }).stdout.toString().split("\n")

  test("nothing is compiled for this processor alone", () => {
    const commands = read("build/compile_commands.json")
    expect(commands).not.toMatch(/-m(arch|tune|cpu)=native/)
  })

  // A weak symbol (an inline function of std, say) is kept once per program, from whichever object the linker meets first.
  test.skipIf(!Bun.which("nm"))("kernel objects define no weak functions", () => {
    const objects = files("build/CMakeFiles/kernels_avx*.dir/**/*.o")
    if (process.arch === "x64") expect(objects.length).toBeGreaterThan(0)
    const weak = objects.flatMap((object) =>
      lines("nm", "-C", "--defined-only", object)
        .filter((line) => / [WVu] /.test(line) && !/ V (DW\.ref\.|typeinfo )/.test(line))
        .map((line) => `${object.split(".dir/")[0]}: ${line}`),
    )
    expect(weak).toEqual([])
  })

  test.skipIf(!Bun.which("objdump") || process.arch !== "x64")(
    "wide registers appear in the wide kernels only",
    () => {
      const leaks = new Set<string>()
      let current = ""
      let wide = 0
      for (const line of lines("objdump", "-d", "-C", "--no-show-raw-insn", "build/Release/rectify.node")) {
        const name = line.match(/^[0-9a-f]+ <(.*)>:$/)?.[1]
        if (name !== undefined) current = name
        else if (/%[yz]mm\d/.test(line)) {
          wide++
          if (!/rectify::avx(2|512|512bf16|512amx)::/.test(current)) leaks.add(current)
        }
      }
      expect(wide).toBeGreaterThan(0)
      expect([...leaks]).toEqual([])
    },
    60_000,
  )
})
