// What nvcc made of the kernels: everything in registers, launchable, on tensor cores. Skipped where the build had no nvcc.
import { expect, test } from "bun:test"
import { join } from "node:path"
import { gpuKernels, type Kernel, written } from "../../scripts/gpu-kernels"

const folder = join(import.meta.dir, "../../build/CMakeFiles/kernels_cuda.dir/native/kernels")
const kernels = gpuKernels(process.env.RECTIFY_CUDA_OBJECTS ?? folder)
const names = written(kernels.map(({ name }) => name))
const those = (bad: (kernel: Kernel) => boolean) =>
  kernels.flatMap((kernel, i) =>
    bad(kernel) ? [`sm_${kernel.architecture} ${kernel.file}: ${names[i]}`] : [],
  )

test.skipIf(kernels.length === 0)("GPU kernels, as nvcc made them", () => {
  // Each for 8.0 and 9.0.
  const of = (architecture: number) =>
    kernels.filter((kernel) => kernel.architecture === architecture).map(({ name }) => name)
  expect(of(80).sort()).toEqual(of(90).sort())
  expect(of(80).length).toBeGreaterThan(50)

  // A multiprocessor has 65,536 registers, given out eight to a thread at a time; a launch may have 1,024 threads unless it is bounded.
  expect(
    those(({ registers, threads }) => !(Math.ceil(registers / 8) * 8 * (threads || 1024) <= 65536)),
  ).toEqual([])
  // What lies in memory: arrays that are indexed at run time (the blocks of scale_blocks, the shifts of sample_token), and two
  // registers that attention_backward sets aside outside of its loops, for a third block on a multiprocessor. Nothing is spilled else.
  const known: Record<string, number> = { adapter: 64, sample_token: 16, attention_backward: 8 }
  expect(those(({ file, stack }) => !(stack <= (known[file] ?? 0)))).toEqual([])
  // Besides what a launch asks for, which is at most 99 KiB (kMostShared).
  expect(those(({ shared }) => shared > 48 * 1024)).toEqual([])

  const onTensorCores = those(({ counts }) => counts.HMMA > 0 && counts.LDSM > 0 && counts.LDGSTS > 0)
  const meant = names.flatMap((name, i) => (/(matmul|attention|queries|keys)_bf16</.test(name) ? [i] : []))
  expect(onTensorCores.length).toBe(meant.length)
  expect(meant.length).toBeGreaterThan(40)
})
