// Matrix products against plain loops in double; the same bits however rows are batched, cut or spread over threads.
#include "../device/cublaslt.h"
#include "../kernels/kernels.h"
#include "check.h"

using namespace rectify;

namespace {

float round_bf16(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  if (x == x) u += 0x7fff + ((u >> 16) & 1);
  u &= 0xffff0000u;
  float r;
  std::memcpy(&r, &u, 4);
  return r;
}

double operand(float x, Dtype dtype) { return dtype == Dtype::bf16 ? round_bf16(x) : x; }

struct Packed {
  std::vector<char> bytes;
  Panels panels;
  Packed(Device& device, std::vector<float>& w, int64_t n, int64_t k, Dtype dtype) {
    panels = {nullptr, n, k, dtype};
    bytes.resize(panels.bytes() + 64);
    panels.data = bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
    std::memset(panels.data, 0xff, panels.bytes());
    pack_panels(device, panels, test::view(w, n, k));
  }
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// A chain of n additions of values around 1 in f32 errs by at most about n eps times the largest partial sum, in practice by
// sqrt(n); the operands are rounded before the judge multiplies them, so bf16 has no other error. Denormals aside.
double tolerance(int64_t terms) { return 4e-7 * (4 + static_cast<double>(terms)); }

void check_panels(Device& device, int64_t n, int64_t k, Dtype dtype) {
  test::Random random(7);
  auto w = random.normals(n * k);
  Packed packed(device, w, n, k, dtype);
  const Panels& p = packed.panels;
  for (int64_t row = 0; row < p.count() * 32; row++)
    for (int64_t c = 0; c < p.depth(); c++) {
      const char* panel = static_cast<const char*>(p.data) + p.panel_bytes() * static_cast<size_t>(row / 32);
      const double expected = row < n && c < k ? operand(w[static_cast<size_t>(row * k + c)], dtype) : 0;
      float actual;
      if (test::is_gpu(device)) {  // its layout: rows
        if (row >= n) continue;
        const auto* values = static_cast<const char*>(p.data) + static_cast<size_t>(row * p.depth() + c) * dtype_bytes(dtype);
        uint32_t bits = 0;
        std::memcpy(dtype == Dtype::bf16 ? reinterpret_cast<char*>(&bits) + 2 : reinterpret_cast<char*>(&bits), values, dtype_bytes(dtype));
        std::memcpy(&actual, &bits, 4);
      } else if (dtype == Dtype::bf16) {
        const uint32_t bits = uint32_t{reinterpret_cast<const uint16_t*>(panel)[c / 2 * 64 + row % 32 * 2 + c % 2]} << 16;
        std::memcpy(&actual, &bits, 4);
      } else {
        actual = reinterpret_cast<const float*>(panel)[c * 32 + row % 32];
      }
      if (actual != expected) {
        CHECK(actual == expected);
        return;
      }
    }
  CHECK(true);
}

void check_products(Device& device, int64_t m, int64_t k, int64_t n, Dtype dtype) {
  test::Random random(static_cast<uint64_t>(m * 1000003 + k * 1009 + n));
  auto x = random.normals(m * k), w = random.normals(n * k), bias = random.normals(n), y0 = random.normals(m * n);
  auto dy = random.normals(m * n), dx0 = random.normals(m * k), dw0 = random.normals(n * k), db0 = random.normals(n);
  Packed packed(device, w, n, k, dtype);
  const auto at = [](const std::vector<float>& v, int64_t row, int64_t cols, int64_t col) {
    return v[static_cast<size_t>(row * cols + col)];
  };

  for (int mode = 0; mode < 4; mode++) {  // plain, bias, accumulate, both
    auto y = y0;
    matmul(device, test::view(y, m, n), test::view(x, m, k), packed.panels, mode & 1 ? test::view(bias, 1, n) : Tensor{},
           mode >= 2);
    double worst = 0;
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double sum = (mode & 1 ? bias[static_cast<size_t>(j)] : 0) + (mode >= 2 ? at(y0, i, n, j) : 0);
        for (int64_t c = 0; c < k; c++) sum += operand(at(x, i, k, c), dtype) * operand(at(w, j, k, c), dtype);
        worst = std::fmax(worst, std::fabs(sum - at(y, i, n, j)));
      }
    CHECK_NEAR(worst, 0, tolerance(k));
  }
  for (bool accumulate : {false, true}) {
    auto dx = dx0;
    matmul_dx(device, test::view(dx, m, k), test::view(dy, m, n), packed.panels, accumulate);
    double worst = 0;
    for (int64_t i = 0; i < m; i++)
      for (int64_t c = 0; c < k; c++) {
        double sum = accumulate ? at(dx0, i, k, c) : 0;
        for (int64_t j = 0; j < n; j++) sum += operand(at(dy, i, n, j), dtype) * operand(at(w, j, k, c), dtype);
        worst = std::fmax(worst, std::fabs(sum - at(dx, i, k, c)));
      }
    CHECK_NEAR(worst, 0, tolerance(n));
  }
  auto dw = dw0;
  matmul_dw(device, test::view(dw, n, k), test::view(dy, m, n), test::view(x, m, k), dtype);
  double worst = 0;
  for (int64_t j = 0; j < n; j++)
    for (int64_t c = 0; c < k; c++) {
      double sum = at(dw0, j, k, c);
      for (int64_t i = 0; i < m; i++) sum += operand(at(dy, i, n, j), dtype) * operand(at(x, i, k, c), dtype);
      worst = std::fmax(worst, std::fabs(sum - at(dw, j, k, c)));
    }
  CHECK_NEAR(worst, 0, tolerance(m));
  auto db = db0;
  bias_backward(device, test::view(db, 1, n), test::view(dy, m, n));
  for (int64_t j = 0; j < n; j++) {
    float sum = db0[static_cast<size_t>(j)];
    for (int64_t i = 0; i < m; i++) sum += at(dy, i, n, j);
    // The GPU adds runs of rows; the CPU's is one chain.
    if (test::is_gpu(device)) CHECK_NEAR(db[static_cast<size_t>(j)], sum, tolerance(m));
    else CHECK(sum == db[static_cast<size_t>(j)]);
  }
}

struct Results {
  std::vector<float> y, dx, dw;
  bool operator==(const Results& other) const { return same(y, other.y) && same(dx, other.dx) && same(dw, other.dw); }
};

/** All three products, the rows cut into calls of at most `rows`. */
Results products(Device& device, std::vector<float>& x, std::vector<float>& dy, std::vector<float>& w, int64_t m, int64_t k,
                 int64_t n, Dtype dtype, int64_t rows) {
  Packed packed(device, w, n, k, dtype);
  Results r{std::vector<float>(static_cast<size_t>(m * n)), std::vector<float>(static_cast<size_t>(m * k)),
            std::vector<float>(static_cast<size_t>(n * k))};
  const Tensor tx = test::view(x, m, k), tdy = test::view(dy, m, n), ty = test::view(r.y, m, n), tdx = test::view(r.dx, m, k);
  for (int64_t row = 0; row < m; row += rows) {
    const int64_t count = std::min(rows, m - row);
    matmul(device, ty.slice(row, count), tx.slice(row, count), packed.panels, {}, false);
    matmul_dx(device, tdx.slice(row, count), tdy.slice(row, count), packed.panels, false);
    matmul_dw(device, test::view(r.dw, n, k), tdy.slice(row, count), tx.slice(row, count), dtype);
  }
  return r;
}

void check_bits(int64_t m, int64_t k, int64_t n, Dtype dtype) {
  test::Random random(11);
  auto x = random.normals(m * k), w = random.normals(n * k), dy = random.normals(m * n);
  auto devices = test::devices(1), two = test::devices(2), three = test::devices(3);
  for (size_t d = 0; d < devices.size(); d++) {
    const Results whole = products(*devices[d], x, dy, w, m, k, n, dtype, m);
    CHECK(products(*two[d], x, dy, w, m, k, n, dtype, m) == whole);
    CHECK(products(*three[d], x, dy, w, m, k, n, dtype, m) == whole);
    // Rows of a bf16 weight gradient are added in pairs, by the matrix unit 32 at a time: from a call's first.
    const int64_t together = dtype == Dtype::f32 ? 1 : devices[d]->target == Target::avx512amx ? 32 : 2;
    for (int64_t rows : {1, 2, 3, 4, 5, 8, 13, 16, 30, 32}) {
      Results cut = products(*three[d], x, dy, w, m, k, n, dtype, rows);
      if (rows % together != 0) cut.dw = whole.dw;
      CHECK(cut == whole);
    }
    auto changed = x;
    changed[0] += 1;
    CHECK(!(products(*devices[d], changed, dy, w, m, k, n, dtype, m) == whole));
  }
}

/** Are the products our own, in every shape? cuBLASLt keeps a row's bits in any batch, and promises no more. */
bool own_tiles() { return !test::cuda_wanted() || !cublaslt(); }

/** The GPU's: rows alone, in slim, low, middle and wide tiles, and cut where the tensor cores' steps of 16 rows are cut. */
void check_gpu_bits(Device& device, int64_t m, int64_t k, int64_t n, Dtype dtype) {
  test::Random random(11);
  auto x = random.normals(m * k), w = random.normals(n * k), dy = random.normals(m * n);
  const Results whole = products(device, x, dy, w, m, k, n, dtype, m);
  for (int64_t rows : {1, 16, 48, 80}) {
    Results cut = products(device, x, dy, w, m, k, n, dtype, rows);
    if (dtype == Dtype::bf16 && (rows % 16 != 0 || !own_tiles())) cut.dw = whole.dw;
    CHECK(cut == whole);
  }
}

/** A row's bits in batches of many sizes, whoever computes them (cuBLASLt, where there is one): the first rows and the last. */
void check_row_bits(Device& device, const std::vector<int64_t>& sizes, int64_t k, int64_t n) {
  const int64_t m = sizes.back();
  test::Random random(13);
  auto x = random.normals(m * k), w = random.normals(n * k), bias = random.normals(n);
  Packed packed(device, w, n, k, Dtype::bf16);
  for (bool with_bias : {false, true}) {
    const auto product = [&](int64_t row, int64_t rows) {
      std::vector<float> y(static_cast<size_t>(rows * n));
      matmul(device, test::view(y, rows, n), test::view(x, m, k).slice(row, rows), packed.panels,
             with_bias ? test::view(bias, 1, n) : Tensor{}, false);
      return y;
    };
    const auto whole = product(0, m);
    for (int64_t rows : sizes)
      for (int64_t row : {int64_t{0}, m - rows}) {
        const auto some = product(row, rows);
        if (!CHECK(std::memcmp(some.data(), &whole[static_cast<size_t>(row * n)], some.size() * sizeof(float)) == 0))
          std::printf("  rows %lld to %lld of %lld, k %lld, n %lld\n", static_cast<long long>(row), static_cast<long long>(row + rows),
                      static_cast<long long>(m), static_cast<long long>(k), static_cast<long long>(n));
      }
  }
}

/** bf16 in and out, as the model's activations are on the GPU. */
void check_bf16_rows(Device& device, int64_t m, int64_t k, int64_t n) {
  test::Random random(3);
  auto x = random.normals(m * k), w = random.normals(n * k);
  std::vector<uint16_t> narrow(x.size()), y(static_cast<size_t>(m * n));
  for (size_t i = 0; i < x.size(); i++) {
    uint32_t bits;
    const float rounded = round_bf16(x[i]);
    std::memcpy(&bits, &rounded, 4);
    narrow[i] = static_cast<uint16_t>(bits >> 16);
  }
  Packed packed(device, w, n, k, Dtype::bf16);
  std::vector<float> wide(y.size());
  matmul(device, test::view(wide, m, n), test::view(x, m, k), packed.panels, {}, false);
  matmul(device, {y.data(), m, n, Dtype::bf16}, {narrow.data(), m, k, Dtype::bf16}, packed.panels, {}, false);
  bool equal = true;
  for (size_t i = 0; i < y.size(); i++) {
    const uint32_t bits = uint32_t{y[i]} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    // Else f32 and bf16 results may come from two algorithms.
    equal = equal && (own_tiles() ? value == round_bf16(wide[i]) : std::fabs(value - wide[i]) <= 0x1p-7 * std::fabs(wide[i]) + 1e-5);
  }
  CHECK(equal);
}

/** One bad row spoils its own outputs only. */
void check_nan(Device& device, Dtype dtype) {
  const int64_t m = 20, k = 37, n = 45;
  test::Random random(5);
  auto x = random.normals(m * k), w = random.normals(n * k);
  x[static_cast<size_t>(3 * k + 36)] = NAN;
  x[static_cast<size_t>(7 * k + 1)] = INFINITY;
  Packed packed(device, w, n, k, dtype);
  std::vector<float> y(static_cast<size_t>(m * n));
  matmul(device, test::view(y, m, n), test::view(x, m, k), packed.panels, {}, false);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      const float v = y[static_cast<size_t>(i * n + j)];
      if (i == 3 ? v == v : i == 7 ? !std::isinf(v) : !std::isfinite(v)) CHECK(false);
    }
}

}  // namespace

int main() {
  const auto gpu = test::gpu_device();
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    if (gpu) {
      for (int64_t n : {1, 33, 70})
        for (int64_t k : {1, 15, 64}) check_panels(*gpu, n, k, dtype);
      for (int64_t m : {1, 15, 33, 70})
        for (int64_t k : {1, 33, 64})
          for (int64_t n : {1, 33, 136}) check_products(*gpu, m, k, n, dtype);
      check_products(*gpu, 260, 136, 264, dtype);
      check_products(*gpu, 850, 8, 70, dtype);  // two groups of tiles, the last one lower
      check_products(*gpu, 3, 0, 5, dtype);
      check_products(*gpu, 0, 4, 5, dtype);
      check_nan(*gpu, dtype);
      check_gpu_bits(*gpu, 150, 72, 264, dtype);
      check_gpu_bits(*gpu, 65, 45, 131, dtype);
    }
    if (test::cuda_wanted()) continue;
    for (int threads : {1, 2, 3})
      for (auto& device : test::devices(threads)) {
        for (int64_t n : {1, 5, 16, 31, 32, 33, 70})
          for (int64_t k : {1, 2, 15, 33, 64}) check_panels(*device, n, k, dtype);
        for (int64_t m : {1, 2, 3, 4, 7, 15, 31, 64})
          for (int64_t k : {1, 3, 31, 33, 64})
            for (int64_t n : {1, 3, 31, 33, 192, 200}) check_products(*device, m, k, n, dtype);
        check_products(*device, 29, 801, 130, dtype);
        check_products(*device, 400, 50, 70, dtype);
        check_products(*device, 2, 20, 801, dtype);
        check_products(*device, 1, 70, 2000, dtype);
        if (threads == 1 && device->target == Target::avx512amx) check_products(*device, 530, 1000, 600, dtype);
        check_products(*device, 3, 0, 5, dtype);
        check_products(*device, 0, 4, 5, dtype);
        check_nan(*device, dtype);
      }
    check_bits(60, 64, 192, dtype);
    check_bits(47, 801, 131, dtype);
    check_bits(33, 131, 801, dtype);
  }
  if (gpu) {
    check_bf16_rows(*gpu, 33, 40, 24);
    check_bf16_rows(*gpu, 5, 17, 9);
    check_row_bits(*gpu, {1, 7, 64, 130}, 72, 136);
    // Shapes of real models, in which cuBLASLt may have algorithms to choose from.
    if (test::cuda_wanted())
      for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1536, 1536}, {2048, 1536}, {1536, 8960}, {17920, 1536}, {4864, 896}})
        check_row_bits(*gpu, {1, 7, 64, 513, 4096}, k, n);
  }
  return test::finish("matmul");
}
