// Tensor cores, their shared-memory loads, and asynchronous copies: the one file with inline PTX. Each instruction has its twin
// for the emulation, written from the fragment tables of the PTX ISA (lane = 4 g + t, so g = lane / 4 and t = lane % 4).
#pragma once
#include <cstdint>
#include <vector>

#include "../../device/cuda.h"

namespace rectify::RECTIFY_TARGET {

constexpr int kWarp = 32;

/** Extents of one mma.sync: D [16, 8] += A [16, 16] B [16, 8]. */
constexpr int kMmaM = 16, kMmaN = 8, kMmaK = 16;

/** Shared memory that every GPU gives a block from compute capability 8.0 on; 8.6, 8.9 and 12.0 give no more. */
constexpr size_t kMostShared = size_t{99} << 10;

/** Bytes of one asynchronous copy, and the bf16 values in them. */
constexpr int kCopyBytes = 16, kCopyValues = 8;

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }

/** The workspaces of the kernels that use this file; others begin at 0. */
enum Slot : int { kLeftSlot = 8, kRightSlot, kLogitsSlot, kHeadSlot, kAttentionSlot, kEmbeddingSlot };

/** Two values rounded to bf16, the first in the low half. */
__device__ inline uint32_t pack_bf16(float low, float high) {
  const uint32_t l = __bfloat16_as_ushort(__float2bfloat16(low)), h = __bfloat16_as_ushort(__float2bfloat16(high));
  return l | h << 16;
}

/** Values `at` and at + 1 of an f32 or bf16 array, by one store where their address allows it. */
__device__ inline void store_pair(void* data, Dtype dtype, int64_t at, float left, float right) {
  if (dtype == Dtype::f32) {
    float* to = static_cast<float*>(data) + at;
    if (reinterpret_cast<uintptr_t>(to) % sizeof(float2) == 0) *reinterpret_cast<float2*>(to) = make_float2(left, right);
    else to[0] = left, to[1] = right;
  } else {
    bf16* to = static_cast<bf16*>(data) + at;
    if (reinterpret_cast<uintptr_t>(to) % sizeof(uint32_t) == 0) *reinterpret_cast<uint32_t*>(to) = pack_bf16(left, right);
    else to[0] = from_float<bf16>(left), to[1] = from_float<bf16>(right);
  }
}

#if defined(RECTIFY_EMULATE_CUDA)

inline float exp2_fast(float x) { return exp2f(x); }

inline float bf16_half(uint32_t pair, int half) { return __uint_as_float((half ? pair >> 16 : pair & 0xffff) << 16); }

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Registers {
    uint32_t a[4], b[2];
  };
  const auto lanes = emulation::collect(Registers{{a[0], a[1], a[2], a[3]}, {b0, b1}});
  const int g = lane_index() / 4, t = lane_index() % 4;
  for (int i = 0; i < 4; i++) {
    const int row = g + i / 2 * 8, column = 2 * t + i % 2;
    double sum = d[i];
    for (int k = 0; k < kMmaK; k++) {
      const float x = bf16_half(lanes[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2], k % 2);
      const float y = bf16_half(lanes[column * 4 + k % 8 / 2].b[k / 8], k % 2);
      sum += static_cast<double>(x) * y;
    }
    d[i] = static_cast<float>(sum);
  }
}

template <bool transposed>
inline void load_matrices(uint32_t (&r)[4], const void* row) {
  const auto rows = emulation::collect(static_cast<const uint16_t*>(row));
  const int g = lane_index() / 4, t = lane_index() % 4;
  // 32 banks of 4 bytes: the 8 rows of a matrix are one access where no two of them meet.
  if (reinterpret_cast<uintptr_t>(row) % kCopyBytes != 0) emulation::fail("expected rows aligned to 16 bytes");
  unsigned banks = 0;
  for (int j = 0; j < 8; j++) banks |= 1u << reinterpret_cast<uintptr_t>(rows[lane_index() / 8 * 8 + j]) / kCopyBytes % 8;
  if (banks != 0xff) emulation::fail("expected the rows of a matrix in different banks");
  for (int i = 0; i < 4; i++) {
    const auto value = [&](int half) -> uint32_t {
      return transposed ? rows[i * 8 + 2 * t + half][g] : rows[i * 8 + g][2 * t + half];
    };
    r[i] = value(0) | value(1) << 16;
  }
}

/** A thread's copies happen when it asks for them or when it waits for them, as the block's turn has it. */
struct AsyncCopies {
  struct Copy {
    void* to;
    const void* from;
    bool valid;
    int64_t group;
    void land() const {
      if (valid) memcpy(to, from, kCopyBytes);
      else memset(to, 0, kCopyBytes);
    }
  };
  std::vector<Copy> waiting;
  int64_t group = 0;
  uint64_t block = 0;
};
inline AsyncCopies& async_copies() {
  static AsyncCopies of_thread[1024];
  AsyncCopies& copies = of_thread[threadIdx.x];
  if (copies.block != emulation::block_serial) copies.waiting.clear(), copies.group = 0, copies.block = emulation::block_serial;
  return copies;
}
inline void copy_async(void* shared, const void* global, bool valid) {
  if ((reinterpret_cast<uintptr_t>(shared) | (valid ? reinterpret_cast<uintptr_t>(global) : 0)) % kCopyBytes != 0)
    emulation::fail("expected copies aligned to 16 bytes");
  const AsyncCopies::Copy copy{shared, global, valid, async_copies().group};
  if (emulation::copies_land_early) copy.land();
  else async_copies().waiting.push_back(copy);
}
inline void copies_commit() { async_copies().group++; }
template <int pending>
inline void copies_wait() {
  AsyncCopies& copies = async_copies();
  size_t left = 0;
  for (const auto& copy : copies.waiting) {
    if (copy.group >= copies.group - pending) copies.waiting[left++] = copy;
    else copy.land();
  }
  copies.waiting.resize(left);
}

#else

/** 2^x within 2^-22 of it, 0 below 2^-126: one instruction, where exp2f takes care of the denormals in three more. */
__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/** D += A B. a: rows (g, g + 8, g, g + 8), columns 2t of the first 8, the first 8, the last 8, the last 8; b0, b1: rows 2t of
 *  the first and the last 8, column g; d: rows g, g, g + 8, g + 8, columns 2t, 2t + 1, 2t, 2t + 1. */
__device__ inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/** Four 8 x 8 matrices of 16-bit values: lane 8 i + j points at row j of matrix i, and receives of each matrix the pair
 *  (g, 2t), (g, 2t + 1), or of its transpose. */
template <bool transposed>
__device__ inline void load_matrices(uint32_t (&r)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/** Starts a copy of 16 bytes, or of zeros when not `valid` (`global` may then point anywhere). */
__device__ inline void copy_async(void* shared, const void* global, bool valid) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(valid ? kCopyBytes : 0)
               : "memory");
}
__device__ inline void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/** Waits until at most `pending` committed groups are under way. */
template <int pending>
__device__ inline void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

#endif

template <int n>
__device__ inline void clear(float (&sums)[n][4]) {
#pragma unroll
  for (int i = 0; i < n; i++)
#pragma unroll
    for (int e = 0; e < 4; e++) sums[i][e] = 0;
}

/** A [16 rows, 16 k] out of shared memory: stored k by k (`columns`, stride between k) or row by row (stride between rows). */
template <bool columns>
__device__ inline void load_a(uint32_t (&a)[4], const uint16_t* shared, int stride) {
  const int lane = lane_index(), j = lane % 8, i = lane / 8;
  const int row = columns ? i % 2 * 8 : i % 2 * 8 + j, k = columns ? i / 2 * 8 + j : i / 2 * 8;
  load_matrices<columns>(a, shared + (columns ? k * stride + row : row * stride + k));
}

/** B [16 k, 16 columns], two mma operands side by side (b[0], b[1]; b[2], b[3]): stored k by k (`columns`) or column by column. */
template <bool columns>
__device__ inline void load_b(uint32_t (&b)[4], const uint16_t* shared, int stride) {
  const int lane = lane_index(), j = lane % 8, i = lane / 8;
  const int column = columns ? i / 2 * 8 : i / 2 * 8 + j, k = columns ? i % 2 * 8 + j : i % 2 * 8;
  load_matrices<columns>(b, shared + (columns ? k * stride + column : column * stride + k));
}

}  // namespace rectify::RECTIFY_TARGET
