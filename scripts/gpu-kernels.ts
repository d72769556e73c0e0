#!/usr/bin/env bun
// What nvcc made of every GPU kernel, read from the objects of a build, without CUDA's tools: registers, stack, shared memory and the
// instructions that matter, by architecture.
//   bun scripts/gpu-kernels.ts [FOLDER OF OBJECTS]
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface Kernel {
  file: string
  name: string
  /** 80 is compute capability 8.0. */
  architecture: number
  registers: number
  /** Bytes of a thread in memory: what did not fit the registers. */
  stack: number
  /** Bytes of a block, but for what a launch asks for. */
  shared: number
  /** That a launch may have; 0: not said. */
  threads: number
  /** How often each of `instructions` occurs. */
  counts: Record<keyof typeof instructions, number>
}

/** The low 12 bits of an instruction's 128: tensor cores, their loads, asynchronous copies, and a thread's stack. */
export const instructions = { HMMA: 0x23c, LDSM: 0x83b, LDGSTS: 0xfae, LDL: 0x983, STL: 0x387 }

interface Section {
  name: string
  size: number
  data: DataView
}

/** The sections of an ELF file of 64 bits. */
function sections(elf: Uint8Array): Section[] {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.length)
  const begin = Number(view.getBigUint64(0x28, true))
  const header = (i: number) => {
    const at = begin + i * 64
    return {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
    }
  }
  const names = header(view.getUint16(0x3e, true)).offset
  const text = (at: number) => new TextDecoder().decode(elf.subarray(at, elf.indexOf(0, at)))
  return Array.from({ length: view.getUint16(0x3c, true) }, (_, i) => {
    const { name, type, offset, size } = header(i)
    const empty = type === 8 // no bits in the file
    return {
      name: text(names + name),
      size,
      data: new DataView(elf.buffer, elf.byteOffset + offset, empty ? 0 : size),
    }
  })
}

/** The machine code in a host object, by architecture (a "fat binary": headers of 64 bytes or more, each before what it heads). */
function machineCode(object: Uint8Array): [architecture: number, elf: Uint8Array][] {
  const found: [number, Uint8Array][] = []
  for (const { name, data } of sections(object)) {
    if (name !== ".nv_fatbin") continue
    for (let at = 0; at + 16 <= data.byteLength && data.getUint32(at, true) === 0xba55ed50; ) {
      const end = at + data.getUint16(at + 6, true) + Number(data.getBigUint64(at + 8, true))
      for (at += data.getUint16(at + 6, true); at < end; ) {
        const body = at + data.getUint32(at + 4, true)
        const size = Number(data.getBigUint64(at + 8, true))
        const isCode = data.getUint16(at, true) === 2
        if (isCode)
          found.push([
            data.getUint32(at + 28, true),
            new Uint8Array(data.buffer, data.byteOffset + body, size),
          ])
        at = body + size
      }
      at = Math.ceil(end / 8) * 8
    }
  }
  return found
}

/** Attributes of a kernel (.nv.info): a format, a number, then two bytes, or a size and that many. */
function attributes(data: DataView): [number: number, words: number[]][] {
  const found: [number, number[]][] = []
  for (let at = 0; at + 4 <= data.byteLength; ) {
    const size = data.getUint8(at) === 4 ? data.getUint16(at + 2, true) : 0
    const words = Array.from({ length: size >> 2 }, (_, i) => data.getUint32(at + 4 + 4 * i, true))
    found.push([data.getUint8(at + 1), words])
    at += 4 + size
  }
  return found
}

const registerCount = 0x2f
const frameSize = 0x11
const mostThreads = 0x05

function kernelsOf(file: string, architecture: number, elf: Uint8Array): Kernel[] {
  const all = sections(elf)
  const named = (name: string) => all.find((section) => section.name === name)
  // Registers and stack are listed by symbol, which .symtab names: its entries are 24 bytes, the name's place first.
  const symbols = named(".symtab")
  const strings = named(".strtab")
  const symbolName = (index: number) => {
    if (!symbols || !strings) return ""
    const begin = symbols.data.getUint32(index * 24, true)
    const bytes = new Uint8Array(strings.data.buffer, strings.data.byteOffset, strings.size)
    return new TextDecoder().decode(bytes.subarray(begin, bytes.indexOf(0, begin)))
  }
  const of = new Map<string, Map<number, number>>()
  for (const [number, [symbol, value]] of attributes(
    named(".nv.info")?.data ?? new DataView(new ArrayBuffer(0)),
  )) {
    if ((number !== registerCount && number !== frameSize) || symbol === undefined || value === undefined)
      continue
    const name = symbolName(symbol)
    of.set(name, (of.get(name) ?? new Map()).set(number, value))
  }
  return all.flatMap((code) => {
    if (!code.name.startsWith(".text.")) return []
    const name = code.name.slice(".text.".length)
    const own = attributes(named(`.nv.info.${name}`)?.data ?? new DataView(new ArrayBuffer(0)))
    const counts = { HMMA: 0, LDSM: 0, LDGSTS: 0, LDL: 0, STL: 0 }
    for (let at = 0; at < code.data.byteLength; at += 16)
      for (const [mnemonic, opcode] of Object.entries(instructions))
        if ((code.data.getUint16(at, true) & 0xfff) === opcode) counts[mnemonic as keyof typeof counts]++
    return [
      {
        file,
        name,
        architecture,
        registers: of.get(name)?.get(registerCount) ?? Number.NaN,
        stack: of.get(name)?.get(frameSize) ?? Number.NaN,
        shared: named(`.nv.shared.${name}`)?.size ?? 0,
        threads: own.find(([number]) => number === mostThreads)?.[1].reduce((a, b) => a * b, 1) ?? 0,
        counts,
      },
    ]
  })
}

/** Every kernel in a folder of objects, such as build/CMakeFiles/kernels_cuda.dir/native/kernels; none where there is no such folder. */
export function gpuKernels(folder: string): Kernel[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith(".cu.o"))
    .sort()
    .flatMap((file) =>
      machineCode(new Uint8Array(readFileSync(join(folder, file)))).flatMap(([architecture, elf]) =>
        kernelsOf(file.slice(0, -".cu.o".length), architecture, elf),
      ),
    )
}

/** C++ names as they are written, where c++filt is at hand. */
export function written(names: string[]): string[] {
  if (!Bun.which("c++filt")) return names
  const { stdout } = Bun.spawnSync(["c++filt"], { stdin: Buffer.from(`${names.join("\n")}\n`) })
  return `${stdout}`
    .trim()
    .split("\n")
    .map((name) =>
      name
        .replace(/rectify::cuda::(\(anonymous namespace\)::)?|\((int|bool)\)|^void /g, "")
        .replace(/(>|^\w+)\(.*/, "$1"),
    )
}

if (import.meta.main) {
  const folder =
    process.argv[2] ?? join(import.meta.dir, "../build/CMakeFiles/kernels_cuda.dir/native/kernels")
  const kernels = gpuKernels(folder)
  if (kernels.length === 0) console.log(`no kernels in ${folder}: expected a build with nvcc`)
  const names = written(kernels.map(({ name }) => name))
  console.log(
    "sm  file                kernel                                                regs stack shared threads  HMMA LDSM LDGSTS",
  )
  for (const [i, k] of kernels.entries())
    console.log(
      `${k.architecture}  ${k.file.padEnd(19)} ${(names[i] ?? "").padEnd(52)} ${String(k.registers).padStart(5)} ${String(k.stack).padStart(5)} ${String(k.shared).padStart(6)} ${String(k.threads || "").padStart(7)} ${k.counts.HMMA ? `${String(k.counts.HMMA).padStart(5)} ${String(k.counts.LDSM).padStart(4)} ${String(k.counts.LDGSTS).padStart(6)}` : ""}`,
    )
}
