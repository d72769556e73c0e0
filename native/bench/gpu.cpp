// The GPU's matrix-bound kernels at the shapes that papers quote: linear layers, the fused LM head, forest attention forward,
// backward and decoding. bf16 rows, median times over batches of calls. --device NAME (default "cuda"); without a device it says
// so and ends well; "cuda:emulated" with --quick shows only that every case runs.
#include <cstdlib>
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

/** Device memory in use, in MiB; 0 where none can be asked. */
double used_mib(size_t index) {
  const GpuReport report = find_gpus();
  if (index < report.gpus.size()) return static_cast<double>(report.gpus[index].memory - report.gpus[index].free) / (1 << 20);
  return 0;
}

struct Bench {
  Device& device;
  bool quick;
  size_t index;  // of the GPU

  /** Seconds of one call, the wait for the device spread over several. */
  double seconds(const std::function<void()>& run) const {
    const int calls = quick ? 1 : 10;
    const auto all = [&] {
      for (int i = 0; i < calls; i++) run();
      device.synchronize();
    };
    if (quick) return all(), 0;
    return bench::seconds(all, 5) / calls;
  }
  /** `work` per second times `scale`; without work, milliseconds. */
  void report(const std::string& name, double work, const char* unit, double scale, const std::function<void()>& run) const {
    const double time = seconds(run);
    bench::emit(name, quick ? 0 : work > 0 ? work / time * scale : time * 1e3, unit);
    if (!quick) std::fprintf(stderr, "%s: %.4f ms\n", name.c_str(), time * 1e3);
  }

  void matmuls(int64_t m, int64_t k, int64_t n) const {
    Panels panels{nullptr, n, k, Dtype::bf16};
    Buffer packed(device, panels.bytes());
    panels.data = packed.data();
    {
      Values weight(device, n, k, Dtype::f32, 0.05f);
      pack_panels(device, panels, weight.tensor);
      device.synchronize();
    }
    const Values x(device, m, k, Dtype::bf16, 1), dy(device, m, n, Dtype::bf16, 1), y(device, m, n, Dtype::bf16), dx(device, m, k, Dtype::bf16);
    const std::string shape = " " + std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n);
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
    const auto forward = [&] { matmul(device, y.tensor, x.tensor, panels, {}, false); };
    if (m <= 64) {  // decoding: a stream of the weights
      report("matmul" + shape, static_cast<double>(panels.bytes()), "GB/s", 1e-9, forward);
      return;
    }
    const Values dw(device, n, k, Dtype::f32);
    report("matmul" + shape, flops, "TFLOP/s", 1e-12, forward);
    report("matmul_dx" + shape, flops, "TFLOP/s", 1e-12, [&] { matmul_dx(device, dx.tensor, dy.tensor, panels, false); });
    report("matmul_dw" + shape, flops, "TFLOP/s", 1e-12, [&] { matmul_dw(device, dw.tensor, dy.tensor, x.tensor, Dtype::bf16); });
  }

  void head(int64_t t, int64_t d, int64_t v) const {
    Panels panels{nullptr, v, d, Dtype::bf16};
    Buffer packed(device, panels.bytes());
    panels.data = packed.data();
    {
      Values weight(device, v, d, Dtype::f32, 0.02f);
      pack_panels(device, panels, weight.tensor);
      device.synchronize();
    }
    std::vector<int32_t> row, target;
    for (int64_t i = 0; i < t; i++) row.push_back(static_cast<int32_t>(i)), target.push_back(static_cast<int32_t>(i * 7919 % v));
    Indices indices;
    const TokenPairs pairs{t, indices.put(device, row), indices.put(device, target)};
    const Values hidden(device, t, d, Dtype::bf16, 1), dhidden(device, t, d, Dtype::bf16), dweight(device, v, d, Dtype::f32);
    const Values logp(device, 1, t, Dtype::f32), lse(device, 1, t, Dtype::f32), entropy(device, 1, t, Dtype::f32), ones(device, 1, t, Dtype::f32, 1);
    struct Loss {
      Device& device;
      const float* gradient;
    } loss{device, ones.tensor.f32()};
    const std::string shape = " T=" + std::to_string(t) + " d=" + std::to_string(d) + " V=" + std::to_string(v);
    const double before = used_mib(index);
    report("token_logprob forward" + shape, 0, "ms", 0, [&] {
      token_logprob_forward(device, logp.tensor, lse.tensor, entropy.tensor, {}, hidden.tensor, panels, pairs, 1);
    });
    report("token_logprob forward+backward" + shape, 0, "ms", 0, [&] {
      token_logprob_loss(
          device, dhidden.tensor, dweight.tensor, logp.tensor, entropy.tensor, {}, hidden.tensor, panels, pairs, 1,
          [](void* context, int64_t begin, int64_t end, const float*, float* dlogp) {
            const auto& l = *static_cast<Loss*>(context);
            l.device.copy(dlogp, l.gradient + begin, static_cast<size_t>(end - begin) * sizeof(float));
          },
          &loss);
    });
    bench::emit("token_logprob memory" + shape, used_mib(index) - before, "MiB");  // what the kernels keep for themselves
  }

  void attention(const std::string& name, Heads h, const std::vector<test::Segment>& segments) const {
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
    report("kv_append " + name, static_cast<double>(T * h.kv() * 8), "GB/s", 1e-9, [&] { kv_append(device, cache, 0, qkv.tensor, view, h); });
    report("attention forward " + name, 2 * flops, "TFLOP/s", 1e-12,
           [&] { attention_forward(device, out.tensor, lse.tensor, qkv.tensor, cache, 0, view, h); });
    {
      const Values dqkv(device, T, h.qkv(), Dtype::bf16), dout(device, T, h.q(), Dtype::bf16, 1);
      report("attention backward " + name, 5 * flops, "TFLOP/s", 1e-12,
             [&] { attention_backward(device, dqkv.tensor, dout.tensor, out.tensor, lse.tensor, qkv.tensor, view, h); });
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
    report("attention decode " + name, keys * static_cast<double>(2 * h.kv()) * 2, "GB/s", 1e-9, [&] {
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
  const bench::Options options(argc, argv);
  std::string name = "cuda";
  for (int i = 1; i + 1 < argc; i++)
    if (std::strcmp(argv[i], "--device") == 0) name = argv[i + 1];
  std::unique_ptr<Device> device;
  try {
    device = open_device(name, 1);
  } catch (const std::runtime_error& error) {
    std::printf("skipped: no device (%s)\n", error.what());
    return 0;
  }
  const Bench b{*device, options.quick, name.rfind("cuda:", 0) == 0 ? static_cast<size_t>(std::atoi(name.c_str() + 5)) : 0};
  if (options.quick) {
    b.matmuls(8, 64, 48);
    b.matmuls(80, 64, 48);
    b.head(20, 32, 300);
    b.attention("d64 group", {4, 2, 64}, group(20, 3, 10));
    return 0;
  }
  const Heads qwen05{14, 2, 64}, llama8{32, 8, 128};
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{896, 9728}, {4864, 896}, {3584, 37888}, {18944, 3584}})
    for (int64_t m : {1, 16, 64, 256, 8192}) b.matmuls(m, k, n);
  b.head(8192, 1536, 151936);
  b.head(16384, 4096, 131072);
  for (int length : {2048, 8192, 32768}) {
    const std::string suffix = " " + std::to_string(length);
    b.attention("d64 14/2" + suffix, qwen05, {{-1, 0, length}});
    b.attention("d128 32/8" + suffix, llama8, {{-1, 0, length}});
  }
  b.attention("d64 14/2 prompt 256 x 16 of 1024", qwen05, group(256, 16, 1024));
  b.attention("d128 32/8 prompt 256 x 16 of 1024", llama8, group(256, 16, 1024));
}
