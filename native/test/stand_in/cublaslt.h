// What a test asks of the stand-in library, by its one symbol beside cuBLASLt's own: rectify_stand_in.
#pragma once
#include <cstdint>
#include <functional>

namespace rectify::test {

struct StandIn {
  /** How work comes into an emulated stream. */
  int (*enqueue)(void* stream, std::function<void()> work) = nullptr;
  bool no_handle = false;      // cublasLtCreate fails
  bool split_alone = false;    // only algorithms that cut their sums are offered
  bool most_rows_513 = false;  // what is offered serves no more than 513 rows
  int products = 0;            // computed
  int asked = 0;               // for algorithms
  uint64_t columns = 0;        // of the product they were last asked for
  int alive = 0;               // descriptions not destroyed
};

}  // namespace rectify::test
