// The language of kernels on the CPU, as much of it as ours use: the same .cu source, compiled by the C++ compiler, runs block after
// block; each thread of a block is a fiber that runs until it meets a barrier or a warp collective.
//
// It shows wrong indexing, wrong numerics, missing barriers (a warp runs as far as it can before the next one does; warps and lanes
// run in ascending, descending and shuffled order by turns, and asynchronous copies land as late or as early as they may;
// RECTIFY_EMULATION_ORDER=n begins with another turn), and diverging or deadlocked barriers (it stops with the kernel's name). It
// shows nothing about speed, the memory model between blocks, or the hardware. Stricter than CUDA: collectives need all 32 lanes; no thread may be gone at a
// barrier. Dynamic shared memory holds NaN at the start of each block.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __grid_constant__

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(int64_t x = 1, int64_t y = 1, int64_t z = 1)
      : x(static_cast<unsigned>(x)), y(static_cast<unsigned>(y)), z(static_cast<unsigned>(z)) {}
};

#define RECTIFY_VECTOR2(name, type)                 \
  struct alignas(2 * sizeof(type)) name {           \
    type x, y;                                      \
  };                                                \
  inline name make_##name(type x, type y) { return {x, y}; }
#define RECTIFY_VECTOR4(name, type)                 \
  struct alignas(16) name {                         \
    type x, y, z, w;                                \
  };                                                \
  inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }
RECTIFY_VECTOR2(int2, int)
RECTIFY_VECTOR2(uint2, unsigned)
RECTIFY_VECTOR2(float2, float)
RECTIFY_VECTOR2(double2, double)
RECTIFY_VECTOR4(int4, int)
RECTIFY_VECTOR4(uint4, unsigned)
RECTIFY_VECTOR4(float4, float)

namespace rectify::emulation {

/** The thread that runs now. */
struct Place {
  uint3 thread;
  unsigned lane, warp;
};
extern const Place* here;
extern dim3 block_index, block_size, grid_size;
extern unsigned char* dynamic_shared;
/** Do this block's asynchronous copies land when they are asked for, or when they are waited for? */
extern bool copies_land_early;
/** Another number for every block that runs. */
extern uint64_t block_serial;

void block_barrier();
/** All 32 lanes leave `bytes` (at most 128) and see what each left: lane i's lie at result + i * 128. */
const unsigned char* exchange(const void* value, size_t bytes);
/** Ends the process with the kernel's name. */
[[noreturn]] void fail(const char* what);

/** What each of the 32 lanes brought: the warp collectives and mma are written with this. */
template <typename T>
struct Lanes {
  static_assert(sizeof(T) <= 128 && std::is_trivially_copyable_v<T>);
  const unsigned char* at;
  T operator[](int lane) const {
    T value;
    std::memcpy(&value, at + lane * 128, sizeof value);
    return value;
  }
};
template <typename T>
Lanes<T> collect(const T& value) {
  return {exchange(&value, sizeof value)};
}

inline void expect_all_lanes(unsigned mask) {
  if (mask != 0xffffffffu) fail("expected a warp collective of all 32 lanes, got a partial mask");
}

}  // namespace rectify::emulation

#define threadIdx (::rectify::emulation::here->thread)
#define blockIdx (::rectify::emulation::block_index)
#define blockDim (::rectify::emulation::block_size)
#define gridDim (::rectify::emulation::grid_size)
#define warpSize 32
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(::rectify::emulation::dynamic_shared)

inline void __syncthreads() { rectify::emulation::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  rectify::emulation::expect_all_lanes(mask);
  rectify::emulation::exchange(nullptr, 0);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  rectify::emulation::expect_all_lanes(mask);
  const int lane = static_cast<int>(rectify::emulation::here->lane), first = lane / width * width;
  return rectify::emulation::collect(value)[first + (from & (width - 1))];
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int with, int width = 32) {
  rectify::emulation::expect_all_lanes(mask);
  const int lane = static_cast<int>(rectify::emulation::here->lane), other = lane ^ with;
  const auto lanes = rectify::emulation::collect(value);
  return lanes[other / width == lane / width ? other : lane];
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  rectify::emulation::expect_all_lanes(mask);
  const int lane = static_cast<int>(rectify::emulation::here->lane), other = lane + static_cast<int>(by);
  const auto lanes = rectify::emulation::collect(value);
  return lanes[other / width == lane / width ? other : lane];
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  rectify::emulation::expect_all_lanes(mask);
  const int lane = static_cast<int>(rectify::emulation::here->lane), other = lane - static_cast<int>(by);
  const auto lanes = rectify::emulation::collect(value);
  return lanes[other >= lane / width * width ? other : lane];
}
inline unsigned __ballot_sync(unsigned mask, bool yes) {
  rectify::emulation::expect_all_lanes(mask);
  const auto lanes = rectify::emulation::collect(yes);
  unsigned all = 0;
  for (int i = 0; i < 32; i++) all |= static_cast<unsigned>(lanes[i]) << i;
  return all;
}
inline bool __any_sync(unsigned mask, bool yes) { return __ballot_sync(mask, yes) != 0; }
inline bool __all_sync(unsigned mask, bool yes) { return __ballot_sync(mask, yes) == 0xffffffffu; }

template <typename T>
T atomicAdd(T* at, T value) {
  static_assert(std::is_integral_v<T>, "no float atomics: sums must not depend on the order of threads");
  const T before = *at;
  *at = before + value;
  return before;
}
template <typename T>
T atomicMax(T* at, T value) {
  static_assert(std::is_integral_v<T>);
  const T before = *at;
  if (value > before) *at = value;
  return before;
}
template <typename T>
T atomicMin(T* at, T value) {
  static_assert(std::is_integral_v<T>);
  const T before = *at;
  if (value < before) *at = value;
  return before;
}
template <typename T>
T atomicOr(T* at, T value) {
  const T before = *at;
  *at = before | value;
  return before;
}

template <typename T>
T __ldg(const T* p) {
  return *p;
}
template <typename T>
T __ldcs(const T* p) {
  return *p;
}
template <typename T>
void __stcs(T* p, T value) {
  *p = value;
}

inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fmul_rn(float a, float b) {
  float product = a * b;
  asm("" : "+m"(product));  // never part of a contraction
  return product;
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline unsigned __float_as_uint(float x) {
  unsigned u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __uint_as_float(unsigned u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}
inline float __int_as_float(int i) { return __uint_as_float(static_cast<unsigned>(i)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }

template <typename A, typename B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <typename A, typename B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}

struct __nv_bfloat16 {
  uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
inline float __bfloat162float(__nv_bfloat16 b) { return __uint_as_float(static_cast<unsigned>(b.bits) << 16); }
/** To nearest, ties to even. */
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  const unsigned u = __float_as_uint(x);
  if (x != x) return {0x7fff};
  return {static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16(float x) { return __float2bfloat16_rn(x); }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {__float2bfloat16_rn(a), __float2bfloat16_rn(b)}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return __floats2bfloat162_rn(v.x, v.y); }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {__bfloat162float(v.x), __bfloat162float(v.y)}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) { return b.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { return {u}; }
