// Rows of the token table on the GPU: y[t] = W[id[t]];   backward: dW[id[t]] += dy[t], t ascending, by the block of the id's first
// row, which looks for the rows that follow it: one chain of additions as on the CPU, no atomics, no scratch.
#include "../device/cuda.h"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

template <typename Y, typename W>
__global__ void __launch_bounds__(kThreads) gather_table(Y* y, const W* table, const int32_t* ids, int64_t width, int64_t stride) {
  const int64_t t = blockIdx.x;
  const W* from = table + ids[t] * stride;
  for (int64_t c = threadIdx.x; c < width; c += kThreads) y[t * width + c] = from_float<Y>(to_float(from[c]));
}

/** Which of the rows [first, first + kThreads) before `end` have this id, ascending, by their place among them: how many. All threads
 *  call it; `found` is good until the next call. */
__device__ int find_id(int (&found)[kThreads], const int32_t* ids, int32_t id, int64_t first, int64_t end) {
  __shared__ unsigned masks[kWarps];
  const auto thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const bool own = first + thread < end && ids[first + thread] == id;
  const unsigned mask = __ballot_sync(kAllLanes, own);
  __syncthreads();
  if (lane == 0) masks[warp] = mask;
  __syncthreads();
  int before = __popc(mask & ((1u << lane) - 1)), count = 0;
  for (int w = 0; w < kWarps; w++) {
    if (w == warp) before += count;
    count += __popc(masks[w]);
  }
  if (own) found[before] = thread;
  __syncthreads();
  return count;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    scatter_table(float* dtable, const T* dy, const int32_t* ids, int64_t rows, int64_t width) {
  __shared__ int found[kThreads];
  const int64_t own = blockIdx.x;
  const int32_t id = ids[own];
  for (int64_t first = 0; first < own; first += kThreads)
    if (find_id(found, ids, id, first, own) > 0) return;
  float* to = dtable + id * width;
  for (int64_t first = own; first < rows; first += kThreads) {
    const int count = find_id(found, ids, id, first, rows);
    for (int64_t c = threadIdx.x; count > 0 && c < width; c += kThreads) {
      float sum = to[c];
#pragma unroll 8
      for (int i = 0; i < count; i++) sum += to_float(dy[(first + found[i]) * width + c]);  // a frequent token: many loads under way
      to[c] = sum;
    }
  }
}

}  // namespace

void embedding_forward(Device& device, Tensor y, Panels table, Tensor ids) {
  by_type(y.dtype, "embedding_forward", [&](auto to) {
    by_type(table.dtype, "embedding_forward", [&](auto from) {
      using Y = decltype(to);
      using W = decltype(from);
      LAUNCH((gather_table<Y, W>), y.rows, kThreads, 0, stream(device), y.as<Y>(), static_cast<const W*>(table.data), ids.i32(),
             y.cols, table.depth());
    });
  });
}

void embedding_backward(Device& device, Tensor dtable, Tensor dy, Tensor ids) {
  if (dtable.dtype != Dtype::f32) throw std::runtime_error("embedding_backward: expected the table's gradient in f32");
  by_type(dy.dtype, "embedding_backward", [&](auto value) {
    using T = decltype(value);
    LAUNCH(scatter_table<T>, dy.rows, kThreads, 0, stream(device), dtable.f32(), dy.as<T>(), ids.i32(), dy.rows, dy.cols);
  });
}

}  // namespace rectify::RECTIFY_TARGET
