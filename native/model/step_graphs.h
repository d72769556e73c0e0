// Decoding steps recorded on the device and replayed as one launch: one graph for all steps of a shape. Shapes are rounded up, so that
// a few graphs serve; what a step reads lies at the same addresses in every step of its shape.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "../device/device.h"

namespace rectify {

class StepGraphs {
 public:
  /** What is baked into launches, as grids and arguments. */
  struct Shape {
    int64_t rows = 0, longest = 0;
    bool operator==(const Shape&) const = default;
  };
  /** 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, ... rows, but at most `most_rows`; paths up to 512, 1024, ... or `most_positions`. */
  static Shape round_up(Shape shape, int64_t most_rows, int64_t most_positions);

  /** The launches of a step of this shape: themselves the first time, when scratch finds its size; recorded the second time; replayed
   *  from then on. Graphs are void, and dropped, when one of `addresses` differs from the last time, or scratch has moved. */
  void run(Device& device, Shape shape, const std::vector<const void*>& addresses, const std::function<void()>& launches);

  /** Steps by how they were launched, and graphs dropped because an address had changed. */
  struct Counts {
    int64_t plain = 0, recorded = 0, replayed = 0, dropped = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  static constexpr size_t most = 32;  // the least recently used one leaves
  struct Entry {
    Shape shape;
    std::unique_ptr<Graph> graph;  // null: run once
  };
  std::vector<Entry> entries_;  // the last used one last
  std::vector<const void*> addresses_;
  int64_t moves_ = 0;
  Counts counts_;
};

}  // namespace rectify
