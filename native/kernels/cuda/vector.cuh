// Several neighbouring values at a time, up to 16 bytes in one access: kernels that only pass over memory live on this.
#pragma once
#include "../../device/cuda.h"

namespace rectify::RECTIFY_TARGET {

/** Widest group of values that the elementwise kernels take: 16 bytes of bf16, two accesses of f32. */
constexpr int kGroup = 8;

template <int N>
__device__ __forceinline__ void load(float (&v)[N], const float* from) {
  if constexpr (N == 1) {
    v[0] = *from;
  } else {
    static_assert(N % 4 == 0);
    for (int i = 0; i < N; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i);
      v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
    }
  }
}
__device__ __forceinline__ void unpack(float& low, float& high, unsigned pair) {
  low = __uint_as_float(pair << 16), high = __uint_as_float(pair & 0xffff0000u);
}
template <int N>
__device__ __forceinline__ void load(float (&v)[N], const bf16* from) {
  if constexpr (N == 1) {
    v[0] = to_float(*from);
  } else if constexpr (N == 4) {
    const uint2 four = *reinterpret_cast<const uint2*>(from);
    unpack(v[0], v[1], four.x), unpack(v[2], v[3], four.y);
  } else {
    static_assert(N == 8);
    const uint4 eight = *reinterpret_cast<const uint4*>(from);
    unpack(v[0], v[1], eight.x), unpack(v[2], v[3], eight.y), unpack(v[4], v[5], eight.z), unpack(v[6], v[7], eight.w);
  }
}

/** One access: the compiler may take a plain store of a vector apart. */
template <typename V>
__device__ __forceinline__ void store_whole(V* to, V value) {
#if defined(RECTIFY_EMULATE_CUDA)
  *to = value;
#else
  __stwb(to, value);
#endif
}

template <int N>
__device__ __forceinline__ void store(float* to, const float (&v)[N]) {
  if constexpr (N == 1) {
    *to = v[0];
  } else {
    static_assert(N % 4 == 0);
    for (int i = 0; i < N; i += 4) store_whole(reinterpret_cast<float4*>(to + i), make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]));
  }
}
__device__ __forceinline__ unsigned pack(float low, float high) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(low)) | static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}
template <int N>
__device__ __forceinline__ void store(bf16* to, const float (&v)[N]) {
  if constexpr (N == 1) {
    *to = __float2bfloat16_rn(v[0]);
  } else if constexpr (N == 4) {
    store_whole(reinterpret_cast<uint2*>(to), make_uint2(pack(v[0], v[1]), pack(v[2], v[3])));
  } else {
    static_assert(N == 8);
    store_whole(reinterpret_cast<uint4*>(to), make_uint4(pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7])));
  }
}

/** May groups of `group` values be read and written: do the rows, `columns` wide, all begin where an access of 16 bytes may? */
template <typename... Tensors>
bool in_groups(int64_t group, int64_t columns, const Tensors&... tensors) {
  return columns % group == 0 && ((reinterpret_cast<uintptr_t>(tensors.data) % 16 == 0) && ...);
}

/** Calls body(std::integral_constant<int, N>{}) with N = `group` or 1. */
template <int group, typename Body>
void by_group(bool grouped, const Body& body) {
  if (grouped) body(std::integral_constant<int, group>{});
  else body(std::integral_constant<int, 1>{});
}

}  // namespace rectify::RECTIFY_TARGET
