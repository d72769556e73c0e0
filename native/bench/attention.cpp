// Forest attention at the quickstart's shape and at a 4-layer model of width 256: decoding, forward and backward on one
// thread, in GFLOP/s of the multiply-adds that the paths need (2 products forward, 5 backward; exponentials not counted).
#include "../kernels/kernels.h"
#include "../test/forest.h"
#include "bench.h"

using namespace rectify;

namespace {

struct Case {
  const char* name;
  Heads heads;
  std::vector<test::Segment> segments;
  bool decode;  // one row per leaf: its last token
};

void run(Device& device, const Case& c) {
  const Heads h = c.heads;
  test::Forest forest(c.segments);
  const int64_t T = forest.rows();
  bench::Array qkv(device, T, h.qkv(), 1), out(device, T, h.q(), 0), lse(device, T, h.heads, 0);
  KvCache cache{nullptr, 1, static_cast<int64_t>(forest.pages.size()), h.kv_heads, h.head_dim, Dtype::f32};
  bench::Array pages(device, cache.pages, cache.page_values(), 1);
  cache.data = pages.buffer.data();
  kv_append(device, cache, 0, qkv.tensor, forest.view(), h);
  const auto report = [&](const char* what, double pairs, double products, double seconds) {
    const double flops = 2.0 * products * pairs * h.heads * h.head_dim;
    bench::emit(std::string(c.name) + " " + what, flops / seconds * 1e-9, "GFLOP/s");
    std::fprintf(stderr, "%s %s: %.3f ms\n", c.name, what, seconds * 1e3);
  };
  ForestView view = forest.view();
  double pairs = 0;
  if (c.decode) {
    std::vector<int32_t> segment, position;
    for (size_t s = 0; s < c.segments.size(); s++) {
      if (c.segments[s].parent < 0 && c.segments.size() > 1) continue;
      segment.push_back(static_cast<int32_t>(s));
      position.push_back(forest.position[static_cast<size_t>(forest.row_begin[s + 1] - 1)]);
      pairs += position.back() + 1;
    }
    view.rows = static_cast<int64_t>(segment.size());
    view.segment = segment.data(), view.position = position.data();
    const Tensor rows = qkv.tensor.slice(0, view.rows), to = out.tensor.slice(0, view.rows);
    report("decode", pairs, 2,
           bench::seconds([&] { attention_forward(device, to, {}, rows, cache, 0, view, h); }));
    return;
  }
  for (int32_t p : forest.position) pairs += p + 1;
  report("append", 0, 2, bench::seconds([&] { kv_append(device, cache, 0, qkv.tensor, view, h); }));
  report("forward", pairs, 2, bench::seconds([&] {
           attention_forward(device, out.tensor, lse.tensor, qkv.tensor, cache, 0, view, h);
         }, 3));
  bench::Array dqkv(device, T, h.qkv(), 0), dout(device, T, h.q(), 1);
  report("backward", pairs, 5, bench::seconds([&] {
           attention_backward(device, dqkv.tensor, dout.tensor, out.tensor, lse.tensor, qkv.tensor, view, h);
         }, 3));
}

/** Prompts, each with `group` completions. */
std::vector<test::Segment> groups(int prompts, int prompt, int group, int completion) {
  std::vector<test::Segment> all;
  for (int p = 0; p < prompts; p++) {
    all.push_back({-1, 0, prompt});
    const int parent = static_cast<int>(all.size()) - 1;
    for (int g = 0; g < group; g++) all.push_back({parent, prompt, completion});
  }
  return all;
}

/** A thought with answers of `answer` tokens hanging at `points` places along it. */
std::vector<test::Segment> thought(int length, int points, int answer) {
  std::vector<test::Segment> all{{-1, 0, length}};
  for (int p = 1; p <= points; p++) all.push_back({0, length * p / points, answer});
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options(argc, argv);
  auto device = open_device("cpu", 1);
  const Heads small{8, 4, 8}, wide{4, 2, 64};
  std::vector<Case> cases = {{"quickstart 64 rows, 100 keys", small, groups(8, 20, 8, 80), true},
                             {"quickstart 8 x 8 x 100", small, groups(8, 20, 8, 100), false},
                             {"d64 64 rows, 128 keys", wide, groups(8, 64, 8, 64), true},
                             {"d64 8 x 8 x 64", wide, groups(8, 64, 8, 64), false}};
  if (!options.quick)
    cases.insert(cases.end(), {{"d64 8 rows, 2k keys", wide, groups(1, 64, 8, 2048), true},
                               {"d64 1 x 2k", wide, {{-1, 0, 2048}}, false},
                               {"d64 1 x 8k", wide, {{-1, 0, 8192}}, false},
                               {"d64 8k thought, 20 answers of 6", wide, thought(8192, 20, 6), false}});
  for (const Case& c : cases) run(*device, c);
}
