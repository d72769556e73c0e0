// The pages that keys and values of rows lie in: who has which, and the memory behind them.
#pragma once
#include <vector>

#include "../kernels/kernels.h"

namespace rectify {

class KvPages {
 public:
  /** Of caches like `empty`, in at most `planned` bytes of `memory`, which outlives it: the next one finds it grown. */
  KvPages(Device& device, KvCache empty, size_t planned, Buffer& memory);

  const KvCache& cache() const { return cache_; }
  int64_t affordable() const { return affordable_; }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  /** GPU only: what rows write that are there to fill up a recorded step. */
  int32_t spare() const { return static_cast<int32_t>(affordable_); }

  /** As many free pages, as far as they are affordable; what pages hold stays. */
  void make_room(int64_t wanted);
  std::vector<int32_t> take(int64_t count);
  void give(std::vector<int32_t>& pages);

  static int64_t count_for(int64_t tokens) { return (tokens + KvCache::page_tokens - 1) / KvCache::page_tokens; }

 private:
  void grow(int64_t pages);

  Device& device_;
  Buffer& memory_;
  KvCache cache_;
  int64_t affordable_ = 0;
  std::vector<int32_t> free_;
};

}  // namespace rectify
