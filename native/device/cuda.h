// What every .cu file includes: CUDA, or its emulation under RECTIFY_EMULATE_CUDA; launches, errors, scratch.
//
// A .cu file is compiled twice: by nvcc into namespace cuda, and by the C++ compiler into namespace emulated, where the same
// kernels run on the CPU so that their tests need no GPU. Rules that both need:
//   LAUNCH(kernel, grid, block, shared_bytes, stream(device), args...) and never <<<>>>; (kernel<A, B>) in parentheses
//   DYNAMIC_SHARED(float, name) for dynamic shared memory; __shared__ for static
//   blocks of whole warps; warp collectives by all 32 lanes (mask 0xffffffff); no barrier after a thread has returned
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#if defined(RECTIFY_EMULATE_CUDA)
#include "emulation/kernel.h"
#include "emulation/runtime.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include "gpu.h"

#ifndef RECTIFY_TARGET
#error "kernel sources are compiled once per target: define RECTIFY_TARGET"
#endif

#if !defined(RECTIFY_EMULATE_CUDA)
#define DYNAMIC_SHARED(type, name)                                         \
  extern __shared__ __align__(128) unsigned char rectify_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(rectify_dynamic_shared)
#endif

#define LAUNCH(kernel, ...) ::rectify::RECTIFY_TARGET::launch(#kernel, kernel, __VA_ARGS__)

namespace rectify::RECTIFY_TARGET {

constexpr unsigned kAllLanes = 0xffffffffu;
using bf16 = __nv_bfloat16;

static inline GpuDevice& gpu(Device& device) { return static_cast<GpuDevice&>(device); }
/** To launch into; its GPU becomes the calling thread's, as launches need. */
static inline cudaStream_t stream(Device& device) {
  cudaSetDevice(gpu(device).index);
  return static_cast<cudaStream_t>(gpu(device).stream);
}
static inline int multiprocessors(Device& device) { return gpu(device).multiprocessors; }

/** Device scratch of at least `bytes`, contents undefined; valid until the next call for the same slot. */
static inline void* workspace(Device& device, size_t bytes, int slot = 0) { return gpu(device).workspace(bytes, slot); }

/** Throws with the kernel's name. */
static inline void check(cudaError_t error, const char* kernel) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string("cuda: ") + kernel + ": " + cudaGetErrorString(error) +
                             (error == cudaErrorMemoryAllocation ? "; lower per_device_train_batch_size" : ""));
}

/** RECTIFY_CUDA_SYNCHRONOUS=1: wait after every kernel, so that a fault is told with the kernel that made it. */
bool synchronous_launches();

template <typename... P, size_t... I>
cudaError_t start([[maybe_unused]] const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                  std::tuple<P...>& values, std::index_sequence<I...>) {
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shared > 48 * 1024)
    check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), name);
#if defined(RECTIFY_EMULATE_CUDA)
  if (!(emulation::takes(std::get<I>(values)) && ...)) return cudaErrorIllegalAddress;
  return emulation::launch(name, function, grid, block, shared, stream, [kernel, values] { std::apply(kernel, values); });
#else
  void* pointers[] = {static_cast<void*>(&std::get<I>(values))...};
  return cudaLaunchKernel(function, grid, block, pointers, shared, stream);
#endif
}

template <typename... P, typename... A>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, A... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  std::tuple<P...> values(static_cast<P>(args)...);
  check(start(name, kernel, grid, block, shared, stream, values, std::index_sequence_for<P...>{}), name);
  if (synchronous_launches()) check(cudaStreamSynchronize(stream), name);
}

/** Blocks of `per_block` that cover n. */
static inline unsigned blocks_for(int64_t n, int64_t per_block) { return static_cast<unsigned>((n + per_block - 1) / per_block); }

// One spelling for both activation types.
static __device__ __forceinline__ float to_float(float x) { return x; }
static __device__ __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }
template <typename T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}

/** Calls body(T{}) with the tensor's element type: float or bf16. */
template <typename Body>
void by_type(Dtype dtype, const char* kernel, const Body& body) {
  if (dtype == Dtype::f32) return body(float{});
  if (dtype == Dtype::bf16) return body(bf16{});
  throw std::runtime_error(std::string(kernel) + ": expected f32 or bf16 values");
}

}  // namespace rectify::RECTIFY_TARGET
