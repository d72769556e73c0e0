// Pages that are taken and given back, and a cache that keeps what it holds when it grows.
#include "../model/kv_pages.h"

#include <algorithm>
#include <set>

#include "check.h"

using namespace rectify;
using namespace rectify::test;

namespace {

const KvCache kEmpty{nullptr, 2, 0, 1, 4, Dtype::f32};
constexpr size_t kPageBytes = size_t{2} * 2 * 32 * 4 * 4;  // of both layers

float* page(const KvCache& cache, int64_t layer, int32_t id) {
  return static_cast<float*>(cache.data) + (layer * cache.pages + id) * cache.page_values();
}

void grows_and_keeps(Device& device) {
  Buffer memory;
  KvPages pages(device, kEmpty, 10 * kPageBytes + 1, memory);
  CHECK(pages.affordable() == 10 && pages.free() == 0);
  pages.make_room(3);
  CHECK(pages.free() == 3 && pages.cache().pages == 3);
  auto mine = pages.take(2);
  CHECK(pages.free() == 1 && mine.size() == 2 && mine[0] != mine[1]);
  for (int32_t id : mine)
    for (int64_t layer = 0; layer < 2; layer++) page(pages.cache(), layer, id)[0] = static_cast<float>(10 * id + layer);
  pages.make_room(6);
  CHECK(pages.free() == 6 && pages.cache().pages == 8 && memory.bytes() == 8 * kPageBytes);
  for (int32_t id : mine)
    for (int64_t layer = 0; layer < 2; layer++) CHECK(page(pages.cache(), layer, id)[0] == static_cast<float>(10 * id + layer));
  pages.make_room(50);
  CHECK(pages.free() == 8 && pages.cache().pages == 10);
  auto rest = pages.take(8);
  std::set<int32_t> all(rest.begin(), rest.end());
  all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 10 && *all.begin() == 0 && *all.rbegin() == 9);
  pages.give(mine);
  CHECK(mine.empty() && pages.free() == 2);
  // The next one's begins where this one's memory ended.
  const void* address = memory.data();
  KvPages next(device, kEmpty, 10 * kPageBytes, memory);
  next.make_room(4);
  CHECK(next.free() == 4 && memory.data() == address && memory.bytes() == 10 * kPageBytes);
}

void is_whole_on_a_gpu(Device& device) {
  Buffer memory;
  KvPages pages(device, kEmpty, 10 * kPageBytes, memory);
  CHECK(pages.affordable() == 9);
  pages.make_room(1);
  CHECK(pages.free() == 9 && pages.cache().pages == 10 && pages.spare() == 9);
  const void* address = pages.cache().data;
  const auto all = pages.take(9);
  CHECK(std::find(all.begin(), all.end(), pages.spare()) == all.end());
  pages.make_room(1);
  CHECK(pages.free() == 0 && pages.cache().data == address && pages.cache().pages == 10);
}

}  // namespace

int main() {
  grows_and_keeps(*open_device("cpu", 1));
  is_whole_on_a_gpu(*open_device("cuda:emulated", 1));
  return finish("kv_pages");
}
