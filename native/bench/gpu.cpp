// The GPU's kernels at the shapes that papers quote: linear layers, the fused LM head, forest attention forward, backward and
// decoding, the GRPO loss, RePro's scores. bf16 rows, median times over batches of calls; a case that fails says why, and the rest
// goes on. --device NAME (default "cuda"), --only TEXT (matmul, token_logprob, attention, grpo_loss, repro_score); without a device it
// says so and ends well; "cuda:emulated" with --quick shows only that every case runs.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>

#include "../device/gpu.h"
#include "../kernels/kernels.h"
#include "../test/forest.h"
#include "bench.h"

using namespace rectify;

namespace {

/** A device array of fixed pseudo-random values, or of zeros at scale 0. */
struct Values {
  Buffer buffer;
  Tensor tensor;
  Values(Device& device, int64_t rows, int64_t cols, Dtype dtype, float scale = 0) : buffer(device, static_cast<size_t>(rows * cols) * dtype_bytes(dtype)), tensor{buffer.data(), rows, cols, dtype} {
    device.zero(buffer.data(), buffer.bytes());
    if (scale == 0) return;
    constexpr int64_t piece = int64_t{1} << 20;
    std::vector<char> host(static_cast<size_t>(piece) * dtype_bytes(dtype));
    uint32_t state = 12345;
    for (int64_t i = 0; i < rows * cols; i += piece) {
      const int64_t count = std::min(piece, rows * cols - i);
      for (int64_t k = 0; k < count; k++) {
        state = state * 1664525 + 1013904223;
        const float value = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1);
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        const auto high = static_cast<uint16_t>(bits >> 16);
        if (dtype == Dtype::bf16) std::memcpy(&host[static_cast<size_t>(k) * 2], &high, 2);
        else std::memcpy(&host[static_cast<size_t>(k) * 4], &value, 4);
      }
      device.copy_in(static_cast<char*>(buffer.data()) + static_cast<size_t>(i) * dtype_bytes(dtype), host.data(),
                     static_cast<size_t>(count) * dtype_bytes(dtype));
    }
  }
};

/** Host indices, kept on the device. */
struct Indices {
  std::vector<Buffer> buffers;
  const int32_t* put(Device& device, const std::vector<int32_t>& values) {
    buffers.emplace_back(device, values.size() * sizeof(int32_t) + 4);
    device.copy_in(buffers.back().data(), values.data(), values.size() * sizeof(int32_t));
    return static_cast<const int32_t*>(buffers.back().data());
  }
};

double mib(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

struct Bench {
  std::string name;  // of the device
  bool quick;
  std::string only;

  /** One case; what it throws is its result. */
  void attempt(const std::string& kernel, const std::string& shape, const std::function<void(Device&)>& work) const {
    if (kernel.find(only) == std::string::npos) return;
    try {
      const auto device = open_device(name, 1);  // each counts its memory from nothing
      work(*device);
    } catch (const std::exception& error) {
      std::string why = error.what();
      std::replace_if(why.begin(), why.end(), [](char c) { return c == '"' || c == '\\' || c < ' '; }, '\'');
      std::printf("{\"case\": \"%s%s\", \"failed\": \"%s\"}\n", kernel.c_str(), shape.c_str(), why.c_str());
      std::fflush(stdout);
    }
  }

  /** Median seconds of a call, in samples of 30 ms and at least one call; the wait for the device is spread over them. */
  double seconds(Device& device, const std::function<void()>& run) const {
    using clock = std::chrono::steady_clock;
    const auto timed = [&](int calls) {
      device.synchronize();
      const auto start = clock::now();
      for (int i = 0; i < calls; i++) run();
      device.synchronize();
      return std::chrono::duration<double>(clock::now() - start).count() / calls;
    };
    timed(1);
    if (quick) return timed(1);
    const int calls = std::clamp(static_cast<int>(0.03 / timed(1)), 1, 1000);
    std::vector<double> all;
    for (int i = 0; i < 5; i++) all.push_back(timed(calls));
    std::nth_element(all.begin(), all.begin() + 2, all.end());
    return all[2];
  }
  /** `work` per second times `scale`; without work, `scale` times the seconds. */
  double report(Device& device, const std::string& which, double work, const char* unit, double scale, const std::function<void()>& run) const {
    const double time = seconds(device, run);
    bench::emit(which, work > 0 ? work / time * scale : time * scale, unit);
    if (!quick) std::fprintf(stderr, "%s: %.4f ms\n", which.c_str(), time * 1e3);
    return time;
  }

  void matmuls(Device& device, const std::string& shape, int64_t m, int64_t k, int64_t n) const {
    const bool decoding = m <= 64;  // a stream of the weights
    Panels panels{nullptr, n, k, Dtype::bf16};
    // Several copies in turn, where one would stay in the cache.
    const size_t copies = decoding && !quick ? (size_t{256} << 20) / panels.bytes() + 1 : 1;
    Buffer packed(device, copies * panels.bytes());
    {
      Values weight(device, n, k, Dtype::f32, 0.05f);
      for (size_t i = 0; i < copies; i++) {
        panels.data = static_cast<char*>(packed.data()) + i * panels.bytes();
        pack_panels(device, panels, weight.tensor);
      }
      device.synchronize();
    }
    const Values x(device, m, k, Dtype::bf16, 1), dy(device, m, n, Dtype::bf16, 1), y(device, m, n, Dtype::bf16), dx(device, m, k, Dtype::bf16);
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
    size_t turn = 0;
    const auto forward = [&] {
      panels.data = static_cast<char*>(packed.data()) + turn++ % copies * panels.bytes();
      matmul(device, y.tensor, x.tensor, panels, {}, false);
    };
    if (decoding) {
      report(device, "matmul" + shape, static_cast<double>(panels.bytes()), "GB/s", 1e-9, forward);
      return;
    }
    const Values dw(device, n, k, Dtype::f32);
    report(device, "matmul" + shape, flops, "TFLOP/s", 1e-12, forward);
    report(device, "matmul_dx" + shape, flops, "TFLOP/s", 1e-12, [&] { matmul_dx(device, dx.tensor, dy.tensor, panels, false); });
    report(device, "matmul_dw" + shape, flops, "TFLOP/s", 1e-12, [&] { matmul_dw(device, dw.tensor, dy.tensor, x.tensor, Dtype::bf16); });
  }

  /** Memory is what lies beside the hidden states and the weight: gradients, log-probabilities and scratch. */
  void head(Device& device, const std::string& shape, int64_t t, int64_t d, int64_t v) const {
    Panels panels{nullptr, v, d, Dtype::bf16};
    const auto device_for_weight = open_device(name, 1);
    Buffer packed(*device_for_weight, panels.bytes());
    panels.data = packed.data();
    {
      Values weight(*device_for_weight, v, d, Dtype::f32, 0.02f);
      pack_panels(*device_for_weight, panels, weight.tensor);
      device_for_weight->synchronize();
    }
    std::vector<int32_t> row, target;
    for (int64_t i = 0; i < t; i++) row.push_back(static_cast<int32_t>(i)), target.push_back(static_cast<int32_t>(i * 7919 % v));
    Indices indices;
    const Values hidden(device, t, d, Dtype::bf16, 1);
    const TokenPairs pairs{t, indices.put(device, row), indices.put(device, target)};
    const size_t inputs = device.most_held();
    const Values dhidden(device, t, d, Dtype::f32), dweight(device, v, d, Dtype::f32);
    const Values logp(device, 1, t, Dtype::f32), lse(device, 1, t, Dtype::f32), entropy(device, 1, t, Dtype::f32), ones(device, 1, t, Dtype::f32, 1);
    struct Loss {
      Device& device;
      const float* gradient;
    } loss{device, ones.tensor.f32()};
    report(device, "token_logprob forward" + shape, 0, "ms", 1e3, [&] {
      token_logprob_forward(device, logp.tensor, lse.tensor, entropy.tensor, {}, hidden.tensor, panels, pairs, 1);
    });
    report(device, "token_logprob forward+backward" + shape, 0, "ms", 1e3, [&] {
      token_logprob_loss(
          device, dhidden.tensor, dweight.tensor, logp.tensor, entropy.tensor, {}, hidden.tensor, panels, pairs, 1,
          [](void* context, int64_t begin, int64_t end, const float*, float* dlogp) {
            const auto& l = *static_cast<Loss*>(context);
            l.device.copy(dlogp, l.gradient + begin, static_cast<size_t>(end - begin) * sizeof(float));
          },
          &loss);
    });
    bench::emit("token_logprob memory" + shape, mib(device.most_held() - inputs), "MiB");
    bench::emit("token_logprob memory with inputs" + shape, mib(device.most_held() + panels.bytes()), "MiB");
  }

  /** TRL's loss with KL over `sequences` of `length` tokens: the weights from the lengths, then loss, gradient and statistics. */
  void grpo(Device& device, const std::string& shape, int64_t sequences, int64_t length) const {
    const int64_t tokens = sequences * length;
    std::vector<int32_t> begin;
    for (int64_t s = 0; s <= sequences; s++) begin.push_back(static_cast<int32_t>(s * length));
    Indices indices;
    const int32_t* begins = indices.put(device, begin);
    const Values logp(device, 1, tokens, Dtype::f32, 1.5f), old(device, 1, tokens, Dtype::f32, 1.4f), ref(device, 1, tokens, Dtype::f32, 1.6f);
    const Values advantage(device, 1, tokens, Dtype::f32, 1), weight(device, 1, tokens, Dtype::f32), dlogp(device, 1, tokens, Dtype::f32);
    const Values stats(device, 1, sizeof(LossStats) / 4, Dtype::f32);
    GrpoConfig config;
    config.epsilon_high = 0.28f, config.beta = 0.04f;
    config.num_tokens = static_cast<double>(tokens), config.num_sequences = static_cast<double>(sequences);
    GrpoInputs inputs;
    inputs.tokens = tokens;
    inputs.logp = logp.tensor.f32(), inputs.old_logp = old.tensor.f32(), inputs.ref_logp = ref.tensor.f32();
    inputs.advantage = advantage.tensor.f32(), inputs.weight = weight.tensor.f32();
    inputs.sequences = sequences, inputs.begin = begins;
    report(device, "grpo_loss" + shape, 0, "us", 1e6, [&] {
      grpo_weights(device, weight.tensor.f32(), begins, sequences, config);
      grpo_loss(device, dlogp.tensor.f32(), stats.tensor.as<LossStats>(), inputs, config);
    });
  }

  void repro(Device& device, const std::string& shape, int64_t thoughts, int64_t points) const {
    std::vector<int32_t> begin;
    for (int64_t t = 0; t <= thoughts; t++) begin.push_back(static_cast<int32_t>(t * points));
    Indices indices;
    const int32_t* begins = indices.put(device, begin);
    std::vector<float> surrogate;
    for (int64_t i = 0; i < thoughts * points; i++) surrogate.push_back(-1 - static_cast<float>(i * 7919 % 1000) / 1000);
    const Values j(device, 1, thoughts * points, Dtype::f32), magnitude(device, 1, thoughts * points, Dtype::f32);
    const Values stability(device, 1, thoughts * points, Dtype::f32), score(device, 1, thoughts * points, Dtype::f32);
    const Values reward(device, 1, thoughts * points, Dtype::f32);
    device.copy_in(j.buffer.data(), surrogate.data(), surrogate.size() * sizeof(float));
    ReproConfig config;
    config.stability_weight = 0.3f;
    report(device, "repro_score" + shape, 0, "us", 1e6, [&] {
      repro_score(device, magnitude.tensor.f32(), stability.tensor.f32(), score.tensor.f32(), reward.tensor.f32(), j.tensor.f32(), begins,
                  thoughts, config);
    });
  }

  void attention(Device& device, const std::string& shape, Heads h, const std::vector<test::Segment>& segments) const {
    const test::Forest forest(segments);
    const int64_t T = forest.rows();
    Indices indices;
    ForestView view = forest.view();
    view.segment = indices.put(device, forest.segment), view.position = indices.put(device, forest.position);
    view.segment_base = indices.put(device, forest.base), view.row_begin = indices.put(device, forest.row_begin);
    view.piece_begin = indices.put(device, forest.piece_begin), view.piece_segment = indices.put(device, forest.piece_segment);
    view.piece_length = indices.put(device, forest.piece_length), view.page_begin = indices.put(device, forest.page_begin);
    view.pages = indices.put(device, forest.pages);
    double pairs = 0;
    for (int32_t p : forest.position) pairs += p + 1, view.longest = std::max<int64_t>(view.longest, p + 1);
    KvCache cache{nullptr, 1, static_cast<int64_t>(forest.pages.size()), h.kv_heads, h.head_dim, Dtype::bf16};
    const Values pages(device, cache.pages, cache.page_values(), Dtype::bf16);
    cache.data = pages.buffer.data();
    const Values qkv(device, T, h.qkv(), Dtype::bf16, 1), out(device, T, h.q(), Dtype::bf16), lse(device, T, h.heads, Dtype::f32);
    const double flops = 2.0 * pairs * h.heads * h.head_dim;  // of one product
    report(device, "kv_append" + shape, static_cast<double>(T * h.kv() * 8), "GB/s", 1e-9, [&] { kv_append(device, cache, 0, qkv.tensor, view, h); });
    const double forward = report(device, "attention forward" + shape, 2 * flops, "TFLOP/s", 1e-12,
           [&] { attention_forward(device, out.tensor, lse.tensor, qkv.tensor, cache, 0, view, h); });
    {
      const Values dqkv(device, T, h.qkv(), Dtype::bf16), dout(device, T, h.q(), Dtype::bf16, 1);
      const double backward = report(device, "attention backward" + shape, 5 * flops, "TFLOP/s", 1e-12,
             [&] { attention_backward(device, dqkv.tensor, dout.tensor, out.tensor, lse.tensor, qkv.tensor, view, h); });
      bench::emit("attention forward+backward" + shape, 7 * flops / (forward + backward) * 1e-12, "TFLOP/s");
      if (segments.size() > 1) bench::emit("group attention" + shape, (forward + backward) * 1e3, "ms");
    }
    // Decoding: the last token of every leaf, out of the cache.
    std::vector<int32_t> segment, position;
    double keys = 0;
    for (size_t s = 0; s < segments.size(); s++) {
      if (segments[s].parent < 0 && segments.size() > 1) continue;
      segment.push_back(static_cast<int32_t>(s));
      position.push_back(forest.position[static_cast<size_t>(forest.row_begin[s + 1] - 1)]);
      keys += position.back() + 1;
    }
    view.rows = static_cast<int64_t>(segment.size()), view.row_begin = nullptr;
    view.segment = indices.put(device, segment), view.position = indices.put(device, position);
    report(device, "attention decode" + shape, keys * static_cast<double>(2 * h.kv()) * 2, "GB/s", 1e-9, [&] {
      attention_forward(device, out.tensor.slice(0, view.rows), {}, qkv.tensor.slice(0, view.rows), cache, 0, view, h);
    });
  }
};

/** A prompt with a group of completions. */
std::vector<test::Segment> group(int prompt, int completions, int length) {
  std::vector<test::Segment> all{{-1, 0, prompt}};
  for (int i = 0; i < completions; i++) all.push_back({0, prompt, length});
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  Bench b{"cuda", bench::Options(argc, argv).quick, ""};
  for (int i = 1; i + 1 < argc; i++) {
    if (std::strcmp(argv[i], "--device") == 0) b.name = argv[i + 1];
    if (std::strcmp(argv[i], "--only") == 0) b.only = argv[i + 1];
  }
  try {
    open_device(b.name, 1);
  } catch (const std::runtime_error& error) {
    std::printf("skipped: no device (%s)\n", error.what());
    return 0;
  }
  const auto matmuls = [&](int64_t m, int64_t k, int64_t n) {
    const std::string shape = " " + std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n);
    b.attempt("matmul", shape, [&](Device& device) { b.matmuls(device, shape, m, k, n); });
  };
  const auto head = [&](int64_t t, int64_t d, int64_t v) {
    const std::string shape = " T=" + std::to_string(t) + " d=" + std::to_string(d) + " V=" + std::to_string(v);
    b.attempt("token_logprob", shape, [&](Device& device) { b.head(device, shape, t, d, v); });
  };
  const auto attention = [&](const std::string& shape, Heads heads, const std::vector<test::Segment>& segments) {
    b.attempt("attention", " " + shape, [&](Device& device) { b.attention(device, " " + shape, heads, segments); });
  };
  const auto losses = [&](int64_t sequences, int64_t length, int64_t thoughts, int64_t points) {
    const std::string batch = " " + std::to_string(sequences) + "x" + std::to_string(length);
    const std::string group = " " + std::to_string(thoughts) + "x" + std::to_string(points);
    b.attempt("grpo_loss", batch, [&](Device& device) { b.grpo(device, batch, sequences, length); });
    b.attempt("repro_score", group, [&](Device& device) { b.repro(device, group, thoughts, points); });
  };
  if (b.quick) {
    matmuls(8, 64, 48);
    matmuls(300, 64, 48);
    head(20, 32, 300);
    attention("d64 4/2 64", {4, 2, 64}, {{-1, 0, 64}});
    attention("d64 4/2 prompt 20 x 3 of 10", {4, 2, 64}, group(20, 3, 10));
    losses(4, 16, 3, 5);
    return 0;
  }
  matmuls(8192, 8192, 8192);  // what the device gives at best
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{896, 9728}, {4864, 896}, {3584, 37888}, {18944, 3584}})
    for (int64_t m : {1, 16, 64, 256, 8192}) matmuls(m, k, n);
  head(8192, 1536, 151936);
  head(16384, 4096, 131072);
  head(16384, 4096, 128256);  // Liger's GRPO loss: B = 16, T = 1,024
  head(8192, 2304, 256000);   // cut cross-entropy's: Gemma 2 2B
  for (int length : {2048, 8192, 32768}) {
    attention("d64 14/2 " + std::to_string(length), {14, 2, 64}, {{-1, 0, length}});
    attention("d128 32/8 " + std::to_string(length), {32, 8, 128}, {{-1, 0, length}});
  }
  attention("d64 14/2 prompt 256 x 16 of 1024", {14, 2, 64}, group(256, 16, 1024));
  attention("d128 32/8 prompt 256 x 16 of 1024", {32, 8, 128}, group(256, 16, 1024));
  losses(64, 1024, 512, 22);
}
