// Embedding rows come out of the panels exactly; the backward adds in row order, whatever the cut or the threads.
#include "../kernels/kernels.h"
#include "check.h"

using namespace rectify;

int main() {
  for (int threads : {1, 2, 3})
    for (auto& device : test::all_devices(threads))
      for (int64_t vocabulary : {1, 31, 33, 70})
        for (int64_t width : {1, 15, 16, 33, 64, 301}) {
          test::Random random(static_cast<uint64_t>(vocabulary * 1000 + width));
          const int64_t rows = width == 33 ? 600 : 200;  // more than a block of the GPU compares at once
          auto weight = random.normals(vocabulary * width), dy = random.normals(rows * width);
          std::vector<int32_t> ids(rows);
          for (auto& id : ids) id = static_cast<int32_t>(random.below(vocabulary));
          const Tensor id = test::view(ids, rows, 1);
          for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
            // Values that bf16 holds, so that both layouts give them back exactly.
            for (auto& w : weight) w = std::round(w * 32) / 32;
            Panels panels{nullptr, vocabulary, width, dtype};
            Buffer buffer(*device, panels.bytes());
            panels.data = buffer.data();
            pack_panels(*device, panels, test::view(weight, vocabulary, width));
            std::vector<float> y(static_cast<size_t>(rows * width), NAN);
            embedding_forward(*device, test::view(y, rows, width), panels, id);
            bool equal = true;
            for (int64_t t = 0; t < rows; t++)
              for (int64_t c = 0; c < width; c++)
                equal = equal && y[static_cast<size_t>(t * width + c)] ==
                                     weight[static_cast<size_t>(ids[static_cast<size_t>(t)] * width + c)];
            CHECK(equal);
          }
          // The judge adds one value at a time in the same order, so the bits agree.
          std::vector<float> expected(weight), actual(weight), cut(weight);
          for (int64_t t = 0; t < rows; t++)
            for (int64_t c = 0; c < width; c++)
              expected[static_cast<size_t>(ids[static_cast<size_t>(t)] * width + c)] += dy[static_cast<size_t>(t * width + c)];
          const Tensor gradient = test::view(dy, rows, width);
          embedding_backward(*device, test::view(actual, vocabulary, width), gradient, id);
          for (int64_t t = 0; t < rows; t += 37) {
            const int64_t count = std::min<int64_t>(37, rows - t);
            embedding_backward(*device, test::view(cut, vocabulary, width), gradient.slice(t, count), id.slice(t, count));
          }
          CHECK(actual == expected);
          CHECK(cut == expected);
        }
  return test::finish("embedding");
}
