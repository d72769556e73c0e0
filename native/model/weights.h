// The parameters of a model: the packed panels every matmul reads, and, for training, f32 master copies, gradients and moments.
#pragma once
#include <string>
#include <vector>

#include "config.h"

namespace rectify {

/** One stored array. q, k, v are one parameter, and so are gate and up, so that each is one matmul. */
struct Parameter {
  int64_t rows = 0, cols = 0;
  bool matrix = false;   // has panels; else a vector (norm weight or bias), kept as one f32 row
  bool decay = false;    // weight decay applies: matrices, not norms or biases
  int64_t offset = 0;    // into the flat f32 arrays
  size_t panels_offset = 0;  // bytes into the panels
};

/** A Hugging Face tensor: rows [row, row + rows) of a parameter (for a vector: values [row, row + cols)). */
struct NamedTensor {
  std::string name;
  int parameter = 0;
  int64_t row = 0, rows = 0, cols = 0;
  bool vector = false;
};

struct LayerParameters {
  int input_norm, qkv, qkv_bias, q_norm, k_norm, output, output_bias, post_norm, gate_up, gate_up_bias, down, down_bias;
};

struct Layout {
  std::vector<Parameter> parameters;
  std::vector<NamedTensor> tensors;  // in the order transformers saves them
  std::vector<LayerParameters> layers;
  int embedding = -1, final_norm = -1, lm_head = -1;  // lm_head == embedding when tied
  int64_t values = 0;      // f32 values of the flat arrays
  size_t panel_bytes = 0;  // all panels
  int64_t count = 0;       // parameters as people count them

  Layout() = default;
  Layout(const ModelConfig& config, Dtype dtype);
};

class Weights {
 public:
  Weights(Device& device, const ModelConfig& config, Dtype dtype, bool training);

  const Layout& layout() const { return layout_; }
  Dtype dtype() const { return dtype_; }
  bool training() const { return training_; }

  /** Fills one named tensor from host values of any float type; pack() must follow when all are in. */
  void load(const NamedTensor& tensor, const void* values, Dtype dtype);
  /** Copies one named tensor to host f32. Needs training (the master copy). */
  void read(const NamedTensor& tensor, float* values) const;
  /** Normal(0, initializer_range) matrices, ones for norms, zeros for biases; keyed by (seed, tensor, element). */
  void initialize(uint64_t seed, float range);
  /** Master values -> panels and vectors; after loading and after every optimizer step. */
  void pack();

  Panels panels(int parameter) const;
  /** A vector parameter as [1, n]; empty when `parameter` is -1. */
  Tensor vector(int parameter) const;

  // Training only: flat f32 arrays of layout().values.
  Tensor master(int parameter) const { return view(master_, parameter); }
  Tensor grad(int parameter) const { return view(grad_, parameter); }
  Tensor moment1(int parameter) const { return view(moment1_, parameter); }
  Tensor moment2(int parameter) const { return view(moment2_, parameter); }
  Tensor flat_grad() const { return {grad_.data(), 1, layout_.values, Dtype::f32}; }
  void zero_grad();

  /** Frozen copy of the panels and vectors: the reference policy. */
  void freeze();
  bool frozen() const { return reference_panels_.data() != nullptr; }
  /** While true, panels() and vector() answer with the frozen copy. */
  void use_reference(bool yes);

  static size_t weight_bytes(const Layout& layout, bool training);

 private:
  Tensor view(const Buffer& buffer, int parameter) const;
  void pack_parameter(int parameter, const float* values);

  Device& device_;
  Layout layout_;
  Dtype dtype_;
  bool training_;
  bool reference_ = false;
  Buffer panels_, vectors_;              // what the kernels read
  Buffer reference_panels_, reference_vectors_;
  Buffer master_, grad_, moment1_, moment2_;
  std::vector<std::vector<float>> staging_;  // inference only, until pack()
};

}  // namespace rectify
