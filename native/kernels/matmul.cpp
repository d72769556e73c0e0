// Linear layers over packed weights: y = x W^T + bias (+ y), dx = dy W (+ dx), dW += dy^T x, dbias += sum of rows of dy.
//   y[m][n]  = start + sum over k ascending of x[m][k] W[n][k]      start: y, else bias, else 0
//   dx[m][k] = start + sum over n ascending of dy[m][n] W[n][k]     start: dx or 0
//   dW[n][k] = dW[n][k] + sum over m ascending of dy[m][n] x[m][k]
// Each is one chain of fused multiply-adds, so a row of y or dx depends on that row alone, and dW on the order of rows but
// not on how they are cut into calls. In bf16 both operands are rounded to bf16, two consecutive terms are added per step
// (a call's rows of dW pair up from its first), and the chain stays in f32. NaN and infinities pass through as in f32.
#include "gemm.h"

namespace rectify::RECTIFY_TARGET {

namespace {

/** Panels that lie in memory as the tile reads them. */
template <class Kind>
struct InPlace {
  static constexpr bool direct = true;
  const Panels& weight;
  int64_t stride() const { return weight.depth() / Kind::k_per_step * kPanelColumns; }
  const float* operator()(float*, int64_t panel, int64_t k0, int64_t) const {
    return static_cast<const float*>(weight.data) + panel * stride() + k0 / Kind::k_per_step * kPanelColumns;
  }
};

template <class Kind>
struct Transposed {
  static constexpr bool direct = false;
  const Panels& weight;
  int64_t stride() const { return 0; }
  const float* operator()(float* out, int64_t panel, int64_t n0, int64_t n1) const {
    const int64_t column = panel * kPanelColumns;
    transpose_panels<Kind>(out, weight, column, smaller(kPanelColumns, weight.k - column), n0, n1);
    return out;
  }
};

template <class Kind>
struct Copied {
  static constexpr bool direct = false;
  const Tensor& x;
  int64_t stride() const { return 0; }
  const float* operator()(float* out, int64_t panel, int64_t m0, int64_t m1) const {
    const int64_t column = panel * kPanelColumns;
    pack_right<Kind>(out, x.f32() + column, x.cols, smaller(kPanelColumns, x.cols - column), m0, m1);
    return out;
  }
};

template <class Kind>
struct Rows {
  const Tensor& x;
  void operator()(float* out, int64_t row, int64_t rows, int64_t k0, int64_t k1) const {
#if defined(__AMX_BF16__)
    if constexpr (Kind::amx) return pack_left_tiles(out, x.f32() + row * x.cols, x.cols, rows, k0, k1);
#endif
    pack_left<Kind>(out, x.f32() + row * x.cols, x.cols, rows, k0, k1);
  }
};

template <class Kind>
struct Columns {
  const Tensor& x;
  void operator()(float* out, int64_t column, int64_t columns, int64_t m0, int64_t m1) const {
#if defined(__AMX_BF16__)
    if constexpr (Kind::amx) return pack_left_tiles_transposed(out, x.f32() + column, x.cols, columns, m0, m1);
#endif
    pack_left_transposed<Kind>(out, x.f32() + column, x.cols, columns, x.cols - column, m0, m1);
  }
};

template <class Kind>
void forward(Device& device, Product p, const Tensor& x, const Panels& weight) {
  multiply<Kind>(device, p, Rows<Kind>{x}, InPlace<Kind>{weight});
}

template <class Kind>
void backward_x(Device& device, Product p, const Tensor& dy, const Panels& weight) {
  multiply<Kind>(device, p, Rows<Kind>{dy}, Transposed<Kind>{weight});
}

template <class Kind>
void backward_w(Device& device, Product p, const Tensor& dy, const Tensor& x) {
  multiply<Kind>(device, p, Columns<Kind>{dy}, Copied<Kind>{x});
}

bool is_f32(const Tensor& t) { return !t.data || t.dtype == Dtype::f32; }

/** Columns when each thread then has enough of them to pay for packing all rows; rows otherwise. */
bool columns_first(Device& device, int64_t rows, int64_t columns) {
  const int64_t threads = device.pool().size();
  return rows < 2 * kTileRows * threads || columns >= 8 * kPanelColumns * threads;
}

}  // namespace

void pack_panels(Device& device, Panels out, Tensor weight) {
  if (!is_f32(weight)) throw std::runtime_error("pack_panels: expected a weight in f32");
  parallel(device, out.count(), 1, out.n * out.k, [&](int64_t begin, int64_t end, int) {
    for (int64_t panel = begin; panel < end; panel++) {
      auto* to = reinterpret_cast<float*>(static_cast<char*>(out.data) + static_cast<size_t>(panel) * out.panel_bytes());
      const int64_t rows = smaller(Panels::width, out.n - panel * Panels::width);
      if (rows < Panels::width) memset(to, 0, out.panel_bytes());
      for (int64_t r = 0; r < rows; r += kLanes) {
        const int64_t group = smaller(kLanes, rows - r);
        const float* from = weight.f32() + (panel * Panels::width + r) * weight.cols;
        if (out.dtype == Dtype::bf16) pack_rows<true>(to + r, Panels::width, from, weight.cols, group, 0, out.k);
        else pack_rows<false>(to + r, Panels::width, from, weight.cols, group, 0, out.k);
        if (group < kLanes)
          for (int64_t word = 0; word < static_cast<int64_t>(out.panel_bytes()) / 4; word += Panels::width)
            memset(to + word + r + group, 0, static_cast<size_t>(kLanes - group) * sizeof(float));
      }
    }
  });
}

void matmul(Device& device, Tensor y, Tensor x, Panels weight, Tensor bias, bool accumulate) {
  if (!is_f32(y) || !is_f32(x) || !is_f32(bias)) throw std::runtime_error("matmul: expected activations and bias in f32");
  if (accumulate && bias)
    for (int64_t m = 0; m < y.rows; m++)
      for (int64_t n = 0; n < y.cols; n++) y.f32()[m * y.cols + n] += bias.f32()[n];
  Product p{x.rows, weight.n, weight.k, y.f32()};
  p.start = accumulate ? y.f32() : bias.f32();
  p.start_stride = accumulate ? y.cols : 0;
  p.split_columns = columns_first(device, p.rows, p.columns);
  weight.dtype == Dtype::bf16 ? forward<Bf16>(device, p, x, weight) : forward<F32>(device, p, x, weight);
}

void matmul_dx(Device& device, Tensor dx, Tensor dy, Panels weight, bool accumulate) {
  if (!is_f32(dx) || !is_f32(dy)) throw std::runtime_error("matmul_dx: expected gradients in f32");
  Product p{dy.rows, weight.k, weight.n, dx.f32()};
  p.start = accumulate ? dx.f32() : nullptr;
  p.start_stride = dx.cols;
  p.split_columns = columns_first(device, p.rows, p.columns);
  weight.dtype == Dtype::bf16 ? backward_x<Bf16>(device, p, dy, weight) : backward_x<F32>(device, p, dy, weight);
}

void matmul_dw(Device& device, Tensor dw, Tensor dy, Tensor x, Dtype compute) {
  if (!is_f32(dw) || !is_f32(dy) || !is_f32(x)) throw std::runtime_error("matmul_dw: expected gradients and inputs in f32");
  Product p{dy.cols, x.cols, dy.rows, dw.f32()};
  p.start = dw.f32();
  p.start_stride = dw.cols;
  p.split_columns = columns_first(device, p.rows, p.columns);
  compute == Dtype::bf16 ? backward_w<Bf16>(device, p, dy, x) : backward_w<F32>(device, p, dy, x);
}

void bias_backward(Device& device, Tensor dbias, Tensor dy) {
  if (!is_f32(dbias) || !is_f32(dy)) throw std::runtime_error("bias_backward: expected gradients in f32");
  parallel(device, dy.cols, 16, dy.size(), [&](int64_t begin, int64_t end, int) {
    float* to = dbias.f32();
    for (int64_t m = 0; m < dy.rows; m++) {
      const float* from = dy.f32() + m * dy.cols;
      for (int64_t n = begin; n < end; n++) to[n] += from[n];
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
