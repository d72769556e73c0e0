// A list of graphs in the order of their use.
#include "step_graphs.h"

#include <algorithm>
#include <bit>

namespace rectify {

namespace {

/** A power of two, or three quarters of one from 24 on. */
int64_t rounded_rows(int64_t rows) {
  const auto power = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
  return power >= 32 && rows <= power / 4 * 3 ? power / 4 * 3 : power;
}

}  // namespace

StepGraphs::Shape StepGraphs::round_up(Shape shape, int64_t most_rows, int64_t most_positions) {
  constexpr int64_t least_longest = 512;
  const auto longest = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(shape.longest, least_longest))));
  return {std::min(rounded_rows(shape.rows), most_rows), std::min(longest, most_positions)};
}

void StepGraphs::run(Device& device, Shape shape, const std::vector<const void*>& addresses, const std::function<void()>& launches) {
  if (!device.records()) {
    counts_.plain++;
    return launches();
  }
  if (addresses != addresses_ || device.scratch_moves() != moves_) {
    counts_.dropped += std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.graph != nullptr; });
    entries_.clear();
    addresses_ = addresses, moves_ = device.scratch_moves();
  }
  auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.shape == shape; });
  if (entry == entries_.end()) {
    counts_.plain++;
    launches();
    if (entries_.size() == most) entries_.erase(entries_.begin());
    entries_.push_back({shape, nullptr});
  } else {
    std::rotate(entry, entry + 1, entries_.end());
    std::unique_ptr<Graph>& graph = entries_.back().graph;
    counts_.replayed += graph != nullptr;
    counts_.recorded += graph == nullptr;
    if (!graph) graph = device.record(launches);
    graph->run();
  }
}

}  // namespace rectify
