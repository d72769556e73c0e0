// The linear layer y = x W^T over packed panels and its two gradients, one thread: training shapes, the LM head, and decoding rows.
#include "../kernels/kernels.h"
#include "bench.h"

using namespace rectify;

int main(int argc, char** argv) {
  const bench::Options options(argc, argv);
  auto device = open_device("cpu", 1);
  struct Shape {
    int64_t m, k, n;
  };
  std::vector<Shape> shapes = {{512, 896, 896}, {512, 896, 4864}};
  if (!options.quick)
    shapes.insert(shapes.end(), {{512, 4864, 896}, {1024, 256, 1024}, {256, 896, 151936}, {8, 896, 4864}, {1, 896, 4864}});
  for (const auto& [m, k, n] : shapes) {
    for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      Panels panels{nullptr, n, k, dtype};
      Buffer packed(*device, panels.bytes());
      panels.data = packed.data();
      {
        bench::Array weight(*device, n, k, 1);
        pack_panels(*device, panels, weight.tensor);
      }
      bench::Array x(*device, m, k, 1), y(*device, m, n, 0);
      const std::string name = std::string(dtype == Dtype::f32 ? "f32 " : "bf16 ") + std::to_string(m) + "x" +
                               std::to_string(k) + "x" + std::to_string(n);
      const auto report = [&](const char* part, const auto& run) {
        bench::emit(name + part, 2.0 * static_cast<double>(m * k * n) / bench::seconds(run) * 1e-9, "GFLOP/s");
      };
      report("", [&] { matmul(*device, y.tensor, x.tensor, panels, {}, false); });
      if (m < 512) continue;
      bench::Array dx(*device, m, k, 0), dw(*device, n, k, 0);
      report(" dx", [&] { matmul_dx(*device, dx.tensor, y.tensor, panels, false); });
      report(" dw", [&] { matmul_dw(*device, dw.tensor, y.tensor, x.tensor, dtype); });
    }
  }
}
