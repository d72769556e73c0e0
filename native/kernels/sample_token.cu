// The GPU twin of sample_token.cpp: many blocks take a row's softmax by parts, then one block draws. The same processors in the same
// order and the same uniform number; what is kept is decided by thresholds, so the logits stay as they are, and logp and entropy
// are token_logprob's to the bit. Where all of a row is in, the parts' masses say which of them the draw falls into, and only that one
// is looked at again. Masses of top-p are fixed-point integers of 2^-40 and running sums are taken over parts, so the id equals the
// CPU's unless the uniform number, or a top-p or min-p limit, falls within rounding (about 1e-6 of the total) of a boundary.
#include "../device/cuda.h"
#include "cuda/reduce.cuh"
#include "cuda/softmax_stats.cuh"
#include "kernels.h"
#include "philox.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 512, kMostTiles = 256, kDigits = 2048;
static_assert(kMostParts <= kMostTiles);
constexpr float kMassUnit = 1099511627776.0f;  // 2^40
using Mass = unsigned long long;

#define RECTIFY_NEVER (-__builtin_inff())

/** Bits that order as the floats do. */
__device__ __forceinline__ uint32_t order_bits(float z) {
  const uint32_t u = __float_as_uint(z + 0.0f);  // -0 is 0
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/** A row after the repetition penalty, and which of its entries are still in. */
struct Row {
  const float* logits;
  const uint32_t* seen;  // bits of the vocabulary; null: no penalty
  int64_t n;
  float scale, penalty, m, min_p;
  uint32_t least;       // order_bits of the smallest entry that top-k and top-p keep
  int64_t last_equal;   // of those equal to it, the last that is kept

  __device__ __forceinline__ float z(int64_t i) const {
    const float v = scaled(logits[i], scale);
    if (!seen || !(seen[i / 32] >> (i % 32) & 1)) return v;
    return v > 0 ? v / penalty : v * penalty;
  }
  /** e^(z - m), 0 for what is out. */
  __device__ __forceinline__ float weight(int64_t i) const {
    const float v = z(i);
    if (!(v > RECTIFY_NEVER)) return 0;
    const uint32_t bits = order_bits(v);
    if (bits < least || (bits == least && i > last_equal)) return 0;
    const float e = expf(v - m);
    return e < min_p ? 0.0f : e;
  }
};

struct Found {
  uint32_t bits;
  int64_t equals, many;  // of the entries with these bits: how many are needed, how many there are
};

/** Which digit, in descending order, `reached` first holds at; by warp 0, each lane over 64 digits. */
struct Digits {
  unsigned count[kDigits];
  Mass mass[kDigits];
  int digit;
  long long before;
  Mass mass_before;
  double wanted;
};

/** The first entry in descending order at which `k` entries (k > 0), or the share p of all mass, have been reached. */
__device__ Found find_descending(Digits& d, const Row& row, int64_t k, float p) {
  const int shifts[4] = {32, 21, 10, 0};
  uint32_t prefix = 0;
  long long before = 0;
  Mass mass_before = 0;
  for (int round = 0; round < 3; round++) {
    const int above = shifts[round], shift = shifts[round + 1];
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kDigits; i += static_cast<int>(blockDim.x)) d.count[i] = 0, d.mass[i] = 0;
    __syncthreads();
    // Most entries share a few digits: a warp adds up its own of each before it goes to shared memory.
    for (int64_t first = int64_t{warp_index()} * kWarp; first < row.n; first += blockDim.x) {
      const int64_t i = first + lane_index();
      const float v = i < row.n ? row.z(i) : RECTIFY_NEVER;
      const uint32_t bits = order_bits(v), digit = bits >> shift & (round == 2 ? 1023u : 2047u);
      const bool in = v > RECTIFY_NEVER && bits >= row.least && (round == 0 || bits >> above == prefix);
      const Mass mass = in && k == 0 ? static_cast<Mass>(expf(v - row.m) * kMassUnit) : 0;
      for (unsigned left = __ballot_sync(kAllLanes, in); left != 0;) {
        const int leader = __ffs(static_cast<int>(left)) - 1;
        const uint32_t wanted = __shfl_sync(kAllLanes, digit, leader);
        const bool same = in && digit == wanted;
        const unsigned all = __ballot_sync(kAllLanes, same);
        const Mass sum = k == 0 ? warp_sum(same ? mass : Mass{0}) : 0;
        if (lane_index() == leader) {
          atomicAdd(&d.count[digit], static_cast<unsigned>(__popc(all)));
          if (k == 0) atomicAdd(&d.mass[digit], sum);
        }
        left &= ~all;
      }
    }
    __syncthreads();
    if (threadIdx.x < 32) {
      const int lane = static_cast<int>(threadIdx.x), top = kDigits - 1 - 64 * lane;
      long long count = 0;
      Mass mass = 0;
      for (int i = 0; i < 64; i++) count += d.count[top - i], mass += d.mass[top - i];
      long long upto = count;
      Mass mass_upto = mass;
      for (unsigned by = 1; by < 32; by *= 2) {
        const long long c = __shfl_up_sync(kAllLanes, upto, by);
        const Mass s = __shfl_up_sync(kAllLanes, mass_upto, by);
        if (lane >= static_cast<int>(by)) upto += c, mass_upto += s;
      }
      const double wanted = round == 0 ? static_cast<double>(p) * static_cast<double>(__shfl_sync(kAllLanes, mass_upto, 31)) : d.wanted;
      const bool reached = upto > 0 && (k > 0 ? before + upto >= k : static_cast<double>(mass_before + mass_upto) >= wanted);
      const unsigned who = __ballot_sync(kAllLanes, reached), some = __ballot_sync(kAllLanes, count > 0);
      // The last entries are the answer when none is: sums may fall short by a rounding.
      const int answer = who ? __ffs(static_cast<int>(who)) - 1 : some ? 31 - __clz(static_cast<int>(some)) : 0;
      if (lane == answer) {
        long long entries = before + upto - count;
        Mass sum = mass_before + mass_upto - mass;
        int digit = top, last = top;
        long long last_entries = entries;
        Mass last_sum = sum;
        for (int i = 0; i < 64; i++) {
          digit = top - i;
          if (d.count[digit] == 0) continue;
          last = digit, last_entries = entries, last_sum = sum;
          entries += d.count[digit], sum += d.mass[digit];
          if (k > 0 ? entries >= k : static_cast<double>(sum) >= wanted) break;
        }
        d.digit = last, d.before = last_entries, d.mass_before = last_sum, d.wanted = wanted;
      }
    }
    __syncthreads();
    before = d.before, mass_before = d.mass_before;
    prefix = (round == 0 ? 0 : prefix << (above - shift)) | static_cast<uint32_t>(d.digit);
  }
  const int64_t many = d.count[prefix & 1023];
  const Mass each = many > 0 ? d.mass[prefix & 1023] / static_cast<Mass>(many) : 0;
  int64_t need = many;
  if (k == 0 && static_cast<double>(mass_before) >= d.wanted) need = 1;
  else if (k == 0 && each > 0)
    need = static_cast<int64_t>(ceil((d.wanted - static_cast<double>(mass_before)) / static_cast<double>(each)));
  return {prefix, need < 1 ? 1 : need > many ? many : need, many};
}

/** The index of the count-th entry with these bits, by warp 0. */
__device__ int64_t index_of_equal(int64_t* shared, const Row& row, uint32_t bits, int64_t count) {
  if (threadIdx.x < 32) {
    int64_t left = count, at = row.n - 1;
    for (int64_t first = 0; first < row.n; first += 32) {
      const int64_t i = first + threadIdx.x;
      unsigned equal = __ballot_sync(kAllLanes, i < row.n && row.z(i) > RECTIFY_NEVER && order_bits(row.z(i)) == bits);
      if (__popc(equal) < left) {
        left -= __popc(equal);
        continue;
      }
      for (; left > 1; left--) equal &= equal - 1;
      at = first + __ffs(static_cast<int>(equal)) - 1;
      break;
    }
    if (threadIdx.x == 0) *shared = at;
  }
  __syncthreads();
  return *shared;
}

struct Draw {
  double tile[kMostTiles], of_warp[kThreads / kWarp], before;
};

struct Passed {
  int64_t index;  // -1: nothing weighs
  double before;  // the running sum up to there
};

/** By the block: the first i of [first, last) whose running sum of weight(i) passes `target`; the last that weighs anything should
 *  rounding leave the sum short. */
template <typename Weight>
__device__ Passed first_past(Draw& d, int64_t first, int64_t last, double target, const Weight& weight) {
  const int64_t per = (last - first + blockDim.x - 1) / blockDim.x, begin = first + threadIdx.x * per, end = min(begin + per, last);
  double own = 0;
  for (int64_t i = begin; i < end; i++) own += weight(i);
  double upto = own;
  for (unsigned by = 1; by < kWarp; by *= 2) {
    const double below = __shfl_up_sync(kAllLanes, upto, by);
    if (lane_index() >= static_cast<int>(by)) upto += below;
  }
  __syncthreads();
  if (lane_index() == kWarp - 1) d.of_warp[warp_index()] = upto;
  __syncthreads();
  double sum = upto - own;
  for (int warp = 0; warp < warp_index(); warp++) sum += d.of_warp[warp];
  long long found = last, heaviest = -1;
  double before = 0, before_heaviest = 0;
  for (int64_t i = begin; i < end && found == last; i++) {
    const double w = weight(i);
    if (!(w > 0)) continue;
    heaviest = i, before_heaviest = sum;
    if (sum + w > target) found = i, before = sum;
    sum += w;
  }
  const long long least = block_fold(found, static_cast<long long>(last), Smaller{});
  const long long end_of_weights = block_fold(heaviest, -1ll, Larger{});
  const long long index = least < last ? least : end_of_weights;
  if (index >= 0 && (least < last ? found : heaviest) == index) d.before = least < last ? before : before_heaviest;
  __syncthreads();
  return {index, d.before};
}

/** The entry that the uniform number falls on. `parts`: those of the row's softmax, whose masses are at hand when all of the row is in. */
__device__ int64_t draw(Draw& d, const Row& row, double uniform, const SoftmaxStats* parts, int64_t part_length) {
  const int64_t per = parts ? part_length : ((row.n + kMostTiles - 1) / kMostTiles + 31) / 32 * 32, tiles = (row.n + per - 1) / per;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  double own = 0;
  __syncthreads();
  for (int64_t tile = parts ? threadIdx.x : warp_index(); tile < tiles; tile += parts ? blockDim.x : warps) {
    double sum = 0;
    if (parts) {
      sum = static_cast<double>(parts[tile].s) * static_cast<double>(expf(parts[tile].m - row.m));
    } else {
      for (int64_t i = tile * per + lane_index(); i < min((tile + 1) * per, row.n); i += kWarp) sum += static_cast<double>(row.weight(i));
      sum = warp_sum(sum);
    }
    if (parts || lane_index() == 0) d.tile[tile] = sum, own += sum;
  }
  const double target = uniform * block_sum(own);
  const Passed tile = first_past(d, 0, tiles, target, [&](int64_t i) { return d.tile[i]; });
  const int64_t first = tile.index < 0 ? 0 : tile.index * per;
  const Passed entry = first_past(d, first, min(first + per, row.n), target - tile.before,
                                  [&](int64_t i) { return static_cast<double>(row.weight(i)); });
  return entry.index < 0 ? 0 : entry.index;
}

struct Shared {
  Digits digits;
  Draw draw;
  int64_t index;
};

/** stats [rows][parts]: of the row's softmax, each over part_length entries. */
__global__ void __launch_bounds__(kThreads)
    sample_token_kernel(int32_t* ids, float* logp, float* entropy, const float* logits, int64_t n, float scale, SampleConfig config,
                        const DrawKey* keys, const int32_t* history_begin, const int32_t* history, uint32_t* seen, const SoftmaxStats* stats,
                        int parts, int64_t part_length) {
  __shared__ Shared shared;
  const int64_t r = blockIdx.x, words = (n + 31) / 32;
  const float* line = logits + r * n;
  stats += r * parts;
  const SoftmaxResult result = fold_parts(stats, parts);

  Row row = {line, nullptr, n, scale, config.repetition_penalty, result.m, config.temperature == 0 ? 0.0f : config.min_p, 0, n};
  if (seen) {
    seen += r * words;
    for (int64_t i = threadIdx.x; i < words; i += blockDim.x) seen[i] = 0;
    __syncthreads();
    for (int64_t i = history_begin[r] + int64_t{threadIdx.x}; i < history_begin[r + 1]; i += blockDim.x) {
      const int32_t id = history[i];
      if (id >= 0 && id < n) atomicOr(&seen[id / 32], 1u << (id % 32));
    }
    __syncthreads();
    row.seen = seen;
    float m = RECTIFY_NEVER;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      const float v = row.z(i);
      m = v > m ? v : m;
    }
    row.m = block_fold(m, RECTIFY_NEVER, Larger{});
  }

  const float m = row.m;
  int64_t id = 0;
  if (config.temperature == 0 || !(m > RECTIFY_NEVER && m < -RECTIFY_NEVER)) {
    long long first = n;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
      if (row.z(i) == m && i < first) first = i;
    first = block_fold(first, static_cast<long long>(n), Smaller{});
    id = first < n ? first : 0;
  } else {
    if (config.top_k > 0 && config.top_k < n) row.least = find_descending(shared.digits, row, config.top_k, 0).bits;
    if (config.top_p < 1) {
      const Found found = find_descending(shared.digits, row, 0, config.top_p);
      if (found.equals < found.many) row.last_equal = index_of_equal(&shared.index, row, found.bits, found.equals);
      row.least = found.bits;
    }
    // A NaN's part has no mass to go by.
    const bool whole = !seen && row.least == 0 && row.min_p == 0 && result.lse == result.lse;
    id = draw(shared.draw, row, philox_uniform(keys[r]), whole ? stats : nullptr, part_length);
  }
  if (threadIdx.x != 0) return;
  ids[r] = static_cast<int32_t>(id);
  logp[r] = scaled(line[id], scale) - result.lse;
  entropy[r] = result.entropy;
}

}  // namespace

void sample_token(Device& device, Tensor ids, Tensor logp, Tensor entropy, Tensor logits, SampleConfig config,
                  const DrawKey* keys, const int32_t* history_begin, const int32_t* history) {
  const int64_t n = logits.cols, parts = part_count(n);
  const float scale = config.temperature == 0 ? 1 : 1 / config.temperature;
  const bool penalty = config.repetition_penalty != 1 && history_begin;
  const size_t of_parts = static_cast<size_t>(logits.rows * parts) * sizeof(SoftmaxStats);
  const size_t of_seen = penalty ? static_cast<size_t>(logits.rows * ((n + 31) / 32)) * sizeof(uint32_t) : 0;
  auto* stats = static_cast<SoftmaxStats*>(workspace(device, of_parts + of_seen));
  auto* seen = penalty ? reinterpret_cast<uint32_t*>(stats + logits.rows * parts) : nullptr;
  softmax_parts(device, stats, logits.f32(), logits.rows, n, scale);
  LAUNCH(sample_token_kernel, logits.rows, kThreads, 0, stream(device), ids.i32(), logp.f32(), entropy.f32(), logits.f32(), n, scale,
         config, keys, history_begin, history, seen, stats, parts, part_length(n));
}

}  // namespace rectify::RECTIFY_TARGET
