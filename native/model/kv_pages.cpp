// A list of free pages over one buffer that grows. On a GPU it has its whole size at once: the memory plan has set that aside, there
// is no room for a second copy, and recorded steps hold its address.
#include "kv_pages.h"

#include <algorithm>

namespace rectify {

KvPages::KvPages(Device& device, KvCache empty, size_t planned, Buffer& memory) : device_(device), memory_(memory), cache_(empty) {
  KvCache page = empty;
  page.pages = 1;
  affordable_ = static_cast<int64_t>(planned / page.bytes()) - (device.is_gpu() ? 1 : 0);
}

void KvPages::make_room(int64_t wanted) {
  const int64_t lacking = wanted - free();
  if (lacking <= 0 || cache_.pages >= affordable_) return;
  grow(device_.is_gpu() ? affordable_ + 1 : std::min(affordable_, cache_.pages + lacking));
}

void KvPages::grow(int64_t pages) {
  KvCache larger = cache_;
  larger.pages = pages;
  if (cache_.pages == 0) {
    if (memory_.bytes() < larger.bytes()) {
      memory_.reset();
      memory_ = Buffer(device_, larger.bytes());
    }
    larger.data = memory_.data();
  } else {
    Buffer buffer(device_, larger.bytes());
    larger.data = buffer.data();
    const auto layers = static_cast<size_t>(cache_.layers);
    const size_t from = cache_.bytes() / layers, to = larger.bytes() / layers;
    for (size_t layer = 0; layer < layers; layer++)
      device_.copy(static_cast<char*>(larger.data) + layer * to, static_cast<char*>(cache_.data) + layer * from, from);
    device_.synchronize();
    memory_ = std::move(buffer);
  }
  for (int64_t i = std::min(pages, affordable_) - 1; i >= cache_.pages; i--) free_.push_back(static_cast<int32_t>(i));
  cache_ = larger;
}

std::vector<int32_t> KvPages::take(int64_t count) {
  std::vector<int32_t> pages(free_.end() - count, free_.end());
  free_.resize(free_.size() - static_cast<size_t>(count));
  return pages;
}

void KvPages::give(std::vector<int32_t>& pages) {
  free_.insert(free_.end(), pages.begin(), pages.end());
  pages.clear();
}

}  // namespace rectify
