// gather_rows copies rows, scatter_rows adds them back, each row to its place and no other.
#include "../kernels/kernels.h"
#include "bf16.h"

using namespace rectify;

namespace {

/** bf16 rows, and both directions of convert. */
void test_bf16(Device& device, size_t shift, int64_t cols) {
  test::Random random(static_cast<uint64_t>(cols));
  test::Narrow x(9, cols, shift, random.normals(9 * cols)), y(4, cols, shift), same(9, cols, shift);
  std::vector<int32_t> rows{8, 0, 3, 5};
  gather_rows(device, y.view(), x.view(), test::view(rows, 4, 1));
  for (size_t i = 0; i < 4; i++)
    CHECK(std::memcmp(&y.bits[shift + i * static_cast<size_t>(cols)], &x.bits[shift + static_cast<size_t>(rows[i] * cols)],
                      static_cast<size_t>(cols) * 2) == 0);
  std::vector<float> wide(static_cast<size_t>(9 * cols), NAN);
  convert(device, test::view(wide, 9, cols), x.view());
  CHECK(wide == x.values());
  const auto exact = random.normals(9 * cols);
  auto source = exact;
  convert(device, same.view(), test::view(source, 9, cols));
  CHECK(same.bits == test::Narrow(9, cols, shift, exact).bits);
}

}  // namespace

int main() {
  test::on_gpus([](Device& device, size_t shift) {
    for (int64_t cols : {1, 7, 8, 24, 100}) test_bf16(device, shift, cols);
  });
  for (int threads : {1, 2, 3})
    for (auto& device : test::all_devices(threads))
      for (int64_t cols : {1, 7, 64, 1000}) {
        test::Random random(static_cast<uint64_t>(cols));
        const int64_t total = 90, chosen = 41;
        auto x = random.normals(total * cols);
        std::vector<int32_t> rows(chosen);
        for (int64_t i = 0; i < chosen; i++) rows[static_cast<size_t>(i)] = static_cast<int32_t>((i * 37 + 5) % total);
        std::vector<float> y(static_cast<size_t>(chosen * cols), NAN);
        gather_rows(*device, test::view(y, chosen, cols), test::view(x, total, cols), test::view(rows, chosen, 1));
        auto expected = x;
        bool equal = true;
        for (int64_t i = 0; i < chosen; i++)
          for (int64_t c = 0; c < cols; c++) {
            const auto to = static_cast<size_t>(rows[static_cast<size_t>(i)] * cols + c), from = static_cast<size_t>(i * cols + c);
            equal = equal && y[from] == x[to];
            y[from] = static_cast<float>(random.normal());
            expected[to] += y[from];
          }
        CHECK(equal);
        scatter_rows(*device, test::view(x, total, cols), test::view(y, chosen, cols), test::view(rows, chosen, 1));
        CHECK(x == expected);
        gather_rows(*device, test::view(y, 0, cols), test::view(x, total, cols), test::view(rows, 0, 1));
      }
  return test::finish("rows");
}
