// Products by cuBLASLt (kernels/cuda/library.cuh) in emulation, with a stand-in for the library: right values, one algorithm for every
// number of rows, none that cuts its sums, our own tiles where the library does not serve.
#include "../device/cublaslt.h"

#include <dlfcn.h>
#include <sys/wait.h>

#include "../device/emulation/observe.h"
#include "../kernels/kernels.h"
#include "check.h"
#include "stand_in/cublaslt.h"

using namespace rectify;
using namespace rectify::test;

namespace {

StandIn& stand_in() {
  static StandIn* const all = [] {
    void* library = dlopen(RECTIFY_STAND_IN, RTLD_NOW);
    auto* const find = reinterpret_cast<StandIn* (*)()>(library ? dlsym(library, "rectify_stand_in") : nullptr);
    return find ? find() : nullptr;
  }();
  return *all;
}

/** bf16 values on the device. */
class Matrix {
 public:
  Matrix(Device& device, int64_t rows, int64_t cols, const std::vector<float>& values, Dtype dtype = Dtype::bf16)
      : device_(device), data_(device, static_cast<size_t>(rows * cols) * dtype_bytes(dtype)), view{data_.data(), rows, cols, dtype} {
    Buffer wide(device, values.size() * sizeof(float));
    device.copy_in(wide.data(), values.data(), wide.bytes());
    convert(device, view, {wide.data(), rows, cols, Dtype::f32});
  }
  std::vector<float> read() const {
    std::vector<float> values(static_cast<size_t>(view.size()));
    Buffer wide(device_, values.size() * sizeof(float));
    convert(device_, {wide.data(), view.rows, view.cols, Dtype::f32}, view);
    device_.copy_out(values.data(), wide.data(), wide.bytes());
    return values;
  }

 private:
  Device& device_;
  Buffer data_;

 public:
  const Tensor view;
};

struct Weight {
  Buffer buffer;
  Panels panels;
  Weight(Device& device, int64_t n, int64_t k, const std::vector<float>& values) : panels{nullptr, n, k, Dtype::bf16} {
    buffer = Buffer(device, panels.bytes());
    panels.data = buffer.data();
    Buffer wide(device, values.size() * sizeof(float));
    device.copy_in(wide.data(), values.data(), wide.bytes());
    pack_panels(device, panels, {wide.data(), n, k, Dtype::f32});
  }
};

/** What a bf16 holds of x. */
double held(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

/** Of sums of k products: rounding of f32, or of what is stored as bf16. */
double tolerance(int64_t k, Dtype to) { return 1e-5 * static_cast<double>(k) + (to == Dtype::bf16 ? 0.02 * std::sqrt(static_cast<double>(k)) : 0); }

/** y, dx and dw against double sums; how many products the library computed. */
int products(Device& device, int64_t m, int64_t k, int64_t n) {
  const int before = stand_in().products;
  Random random(static_cast<uint64_t>(m * 131 + k * 17 + n));
  const auto x = random.normals(m * k), w = random.normals(n * k), dy = random.normals(m * n), start = random.normals(m * n), bias = random.normals(n);
  const auto dx0 = random.normals(m * k), dw0 = random.normals(n * k);
  const Weight weight(device, n, k, w);
  const Matrix mx(device, m, k, x), mdy(device, m, n, dy), mbias(device, 1, n, bias, Dtype::f32);
  const auto at = [](const std::vector<float>& v, int64_t row, int64_t cols, int64_t col) { return v[static_cast<size_t>(row * cols + col)]; };
  for (const Dtype to : {Dtype::f32, Dtype::bf16})
    for (int mode = 0; mode < 4; mode++) {  // plain, bias, accumulate, both
      const Matrix y(device, m, n, start, to);
      matmul(device, y.view, mx.view, weight.panels, mode & 1 ? mbias.view : Tensor{}, mode >= 2);
      const auto got = y.read();
      double worst = 0;
      for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
          double sum = (mode & 1 ? bias[static_cast<size_t>(j)] : 0) + (mode >= 2 ? at(start, i, n, j) : 0);
          for (int64_t c = 0; c < k; c++) sum += held(at(x, i, k, c)) * held(at(w, j, k, c));
          worst = std::fmax(worst, std::fabs(sum - at(got, i, n, j)));
        }
      CHECK_NEAR(worst, 0, tolerance(k, to));
    }
  for (const bool accumulate : {false, true}) {
    const Matrix dx(device, m, k, dx0);
    matmul_dx(device, dx.view, mdy.view, weight.panels, accumulate);
    const auto got = dx.read();
    double worst = 0;
    for (int64_t i = 0; i < m; i++)
      for (int64_t c = 0; c < k; c++) {
        double sum = accumulate ? at(dx0, i, k, c) : 0;
        for (int64_t j = 0; j < n; j++) sum += held(at(dy, i, n, j)) * held(at(w, j, k, c));
        worst = std::fmax(worst, std::fabs(sum - at(got, i, k, c)));
      }
    CHECK_NEAR(worst, 0, tolerance(n, Dtype::bf16));
  }
  const Matrix dw(device, n, k, dw0, Dtype::f32);
  matmul_dw(device, dw.view, mdy.view, mx.view, Dtype::bf16);
  const auto got = dw.read();
  double worst = 0;
  for (int64_t j = 0; j < n; j++)
    for (int64_t c = 0; c < k; c++) {
      double sum = at(dw0, j, k, c);
      for (int64_t i = 0; i < m; i++) sum += held(at(dy, i, n, j)) * held(at(x, i, k, c));
      worst = std::fmax(worst, std::fabs(sum - at(got, j, k, c)));
    }
  CHECK_NEAR(worst, 0, tolerance(m, Dtype::f32));
  CHECK(stand_in().alive == 0);
  return stand_in().products - before;
}

/** A row has its bits in a batch of any size, whoever was asked first. */
void rows_keep_their_bits(Device& device) {
  Random random(5);
  constexpr int64_t most = 600, k = 64, n = 48;
  const auto x = random.normals(most * k);
  const Weight weight(device, n, k, random.normals(n * k));
  stand_in().columns = 0;
  const int asked = stand_in().asked, computed = stand_in().products;
  std::vector<float> whole;
  for (const int64_t m : {int64_t{7}, most, int64_t{1}, int64_t{64}, int64_t{513}}) {
    const Matrix mx(device, m, k, std::vector<float>(x.begin(), x.begin() + m * k)), y(device, m, n, std::vector<float>(static_cast<size_t>(m * n)), Dtype::f32);
    matmul(device, y.view, mx.view, weight.panels, {}, false);
    const auto got = y.read();
    if (whole.empty()) whole = got;
    const size_t both = std::min(whole.size(), got.size());
    CHECK(std::memcmp(whole.data(), got.data(), both * sizeof(float)) == 0);
    if (got.size() > whole.size()) whole = got;
  }
  CHECK(stand_in().asked - asked == 1 && stand_in().columns == 512 && stand_in().products - computed == 5);
}

/** In a recorded graph as well. */
void graph(Device& device) {
  Random random(6);
  constexpr int64_t m = 9, k = 64, n = 32;
  const Weight weight(device, n, k, random.normals(n * k));
  const Matrix x(device, m, k, random.normals(m * k)), y(device, m, n, std::vector<float>(m * n), Dtype::f32);
  const auto product = [&] { matmul(device, y.view, x.view, weight.panels, {}, false); };
  product();
  const auto expected = y.read();
  const auto recorded = device.record(product);
  device.zero(y.view.data, y.view.bytes());
  CHECK(recorded != nullptr);
  if (recorded) recorded->run();
  CHECK(y.read() == expected);
}

}  // namespace

int main(int count, char** words) {
  if (cuda_wanted() || !emulation_wanted()) {
    CHECK(true);  // the stand-in serves emulated streams alone
    return finish("cublaslt");
  }
  const std::string how = count > 1 ? words[1] : "";
  setenv("RECTIFY_CUBLASLT", RECTIFY_STAND_IN, 1);
  if (!CHECK(cublaslt() != nullptr)) return finish("cublaslt");
  stand_in().enqueue = emulation::enqueue_work;
  stand_in().no_handle = how == "no_handle", stand_in().split_alone = how == "split_alone", stand_in().most_rows_513 = how == "most_rows_513";
  const auto device = open_device("cuda:emulated", 1);
  if (!how.empty()) {
    // A weight's gradient has few columns whatever the batch is, so that what serves no large batch serves it.
    const int computed = products(*device, 40, 64, 32);
    CHECK(computed == (how == "no_handle" ? 0 : 1));
    return finish(("cublaslt, " + how).c_str());
  }
  CHECK(products(*device, 33, 64, 32) == 10);   // the weight's gradient has 33 terms: our tiles take it
  CHECK(products(*device, 40, 64, 32) == 11);
  CHECK(products(*device, 600, 32, 16) == 11);
  CHECK(products(*device, 16, 60, 32) == 0);    // rows that are not 16 bytes apart
  CHECK(products(*device, 5, 24, 40) == 2);     // 24 terms are more than this library does: dx alone
  rows_keep_their_bits(*device);
  graph(*device);
  for (const char* other : {"no_handle", "split_alone", "most_rows_513"}) {
    const int status = std::system(("'" + std::string(words[0]) + "' " + other).c_str());
    if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0)) std::printf("  with %s\n", other);
  }
  return finish("cublaslt");
}
