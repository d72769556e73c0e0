// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): 128 random bits as a pure function of a
// counter and a key, so that a draw is named by what it is for and not by how many draws came before.
#pragma once
#include <cstdint>

#include "kernels.h"

#if defined(__CUDACC__)
#define RECTIFY_EVERYWHERE __host__ __device__
#else
#define RECTIFY_EVERYWHERE
#endif

namespace rectify {

struct PhiloxWords {
  uint32_t word[4];
};

RECTIFY_EVERYWHERE static inline __attribute__((always_inline)) PhiloxWords philox(PhiloxWords counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.word[0], b = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ k0, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ k1, static_cast<uint32_t>(a)}};
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return counter;
}

/** Uniform in [0, 1), 53 bits, from the first two words. */
RECTIFY_EVERYWHERE static inline __attribute__((always_inline)) double philox_uniform(PhiloxWords counter, uint64_t key) {
  const PhiloxWords w = philox(counter, key);
  return static_cast<double>(((uint64_t{w.word[0]} << 32) | w.word[1]) >> 11) * 0x1p-53;
}

RECTIFY_EVERYWHERE static inline __attribute__((always_inline)) double philox_uniform(const DrawKey& k) {
  return philox_uniform({{static_cast<uint32_t>(k.position), static_cast<uint32_t>(k.sample), static_cast<uint32_t>(k.prompt), k.step}},
                        uint64_t{k.seed_high} << 32 | k.seed_low);
}

}  // namespace rectify
