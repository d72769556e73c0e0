// Decoding by recorded steps against decoding launch by launch, in emulation or on a GPU (RECTIFY_TEST_CUDA=1): the same completions to
// the bit while rows come and go, calls join with other settings, other passes use the same memory, weights move and addresses
// change; and that steps are replayed, and forgotten when they must be. The list of graphs itself on a device that only counts.
#include "../model/step_graphs.h"

#include <array>
#include <map>

#include "../device/emulation/observe.h"

#include "model.h"

using namespace rectify;
using namespace rectify::test;

namespace {

/** Records, and counts what is run. */
struct CountingDevice final : Device {
  struct Recorded final : Graph {
    CountingDevice& device;
    explicit Recorded(CountingDevice& device) : device(device) { device.alive++; }
    ~Recorded() override { device.alive--; }
    void run() override { device.runs++; }
  };
  bool on = true;
  int64_t moves = 0, runs = 0, alive = 0;

  CountingDevice() : Device(Target::emulated, 1) {}
  void* allocate(size_t) override { return nullptr; }
  void release(void*) noexcept override {}
  void copy_in(void*, const void*, size_t) override {}
  void copy_out(void*, const void*, size_t) override {}
  void copy(void*, const void*, size_t) override {}
  void zero(void*, size_t) override {}
  void synchronize() override {}
  bool records() const override { return on; }
  int64_t scratch_moves() const override { return moves; }
  std::unique_ptr<Graph> record(const std::function<void()>& launches) override {
    launches();
    return std::make_unique<Recorded>(*this);
  }
};

void shapes_are_few() {
  std::map<int64_t, int64_t> rows;  // rounded -> how many round to it
  for (int64_t n = 1; n <= 256; n++) {
    const auto shape = StepGraphs::round_up({n, n}, 256, 4096);
    CHECK(shape.rows >= n && (n <= 16 ? shape.rows < 2 * n : shape.rows <= n + n / 2) && shape.longest == 512);
    rows[shape.rows]++;
  }
  std::vector<int64_t> sizes;
  for (const auto& [size, count] : rows) sizes.push_back(size);
  CHECK((sizes == std::vector<int64_t>{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256}));
  CHECK((StepGraphs::round_up({5, 1025}, 7, 4096) == StepGraphs::Shape{7, 2048}));
  CHECK((StepGraphs::round_up({5, 2049}, 100, 3000) == StepGraphs::Shape{8, 3000}));
}

void graphs_are_kept_and_forgotten() {
  CountingDevice device;
  StepGraphs graphs;
  int launched = 0;
  int here = 0, there = 0;
  const auto step = [&](int64_t rows, const void* address) { graphs.run(device, {rows, 1024}, {address}, [&] { launched++; }); };
  const auto counts = [&](int64_t plain, int64_t recorded, int64_t replayed, int64_t dropped) {
    const auto& c = graphs.counts();
    return c.plain == plain && c.recorded == recorded && c.replayed == replayed && c.dropped == dropped &&
           launched == plain + recorded && device.runs == recorded + replayed;
  };
  for (int i = 0; i < 4; i++) step(2, &here);
  CHECK(counts(1, 1, 2, 0));
  step(4, &here);
  step(4, &here);
  CHECK(counts(2, 2, 2, 0) && device.alive == 2);
  step(2, &there);  // an address differs: both are void
  CHECK(counts(3, 2, 2, 2) && device.alive == 0);
  step(2, &there);
  device.moves++;
  step(2, &there);
  CHECK(counts(4, 3, 2, 3));
  step(2, &there);
  // A step that makes scratch move voids what was recorded before it, and is run plainly once more.
  graphs.run(device, {8, 1024}, {&there}, [&] { launched++, device.moves++; });
  step(2, &there);
  CHECK(counts(6, 4, 2, 4));
  device.on = false;
  step(2, &there);
  CHECK(counts(7, 4, 2, 4));
  device.on = true;
  // However many shapes come, few are kept: those used last.
  for (int64_t rows = 1; rows <= 100; rows++) step(rows, &here), step(rows, &here), step(1, &here);
  CHECK(device.alive == 32);
  const int64_t replayed = graphs.counts().replayed;
  step(1, &here), step(100, &here), step(70, &here);
  CHECK(graphs.counts().replayed == replayed + 3);
  step(69, &here);
  CHECK(graphs.counts().replayed == replayed + 3);
}

struct Graphs {
  explicit Graphs(bool on) { setenv("RECTIFY_CUDA_GRAPHS", on ? "1" : "0", 1); }
};

bool same(const std::vector<Completion>& a, const std::vector<Completion>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (a[i].ids != b[i].ids || a[i].finish != b[i].finish || a[i].top.ids != b[i].top.ids || !same_bits(a[i].logprobs, b[i].logprobs) ||
        !same_bits(a[i].entropy, b[i].entropy) || !same_bits(a[i].top.logprobs, b[i].top.logprobs))
      return false;
  return true;
}

ModelConfig config(bool qwen3, int head_dim) {
  ModelConfig c = tiny(qwen3);
  c.hidden_size = 32, c.intermediate_size = 48, c.layers = head_dim == 64 ? 1 : 2;
  c.head_dim = head_dim, c.heads = head_dim == 64 ? 2 : 4, c.kv_heads = c.heads / 2;
  return c;
}

ModelOptions options_of(Dtype dtype, bool lora) {
  ModelOptions o = options(dtype);
  o.max_decode_rows = 7;
  if (lora) {
    o.lora.emplace();
    o.lora->rank = 4;
    o.lora->target_modules = {"q_proj", "v_proj", "o_proj", "up_proj", "down_proj"};
  }
  return o;
}

/** Adapters whose B is not zero, too. */
void fill(Model& model, uint64_t seed) {
  randomize(model, seed, 0.2f);
  if (!model.adapters()) return;
  Random random(seed + 1);
  for (const NamedTensor& t : model.adapters()->layout().tensors)
    model.adapters()->load(t, random.normals(t.rows * t.cols, 0.2).data(), Dtype::f32);
  model.adapters()->pack();
}

/** Rows that end at different times, so that steps of several shapes are taken. */
GenerateRequest request_of(const ModelConfig& c, uint64_t seed, std::vector<int64_t> lengths) {
  Random random(seed);
  GenerateRequest r;
  for (int64_t n : lengths) {
    r.prompts.push_back(random_ids(random, n, c.vocab_size));
    r.prompt_keys.push_back(static_cast<int32_t>(n));
  }
  r.samples = 3, r.max_tokens = 16;
  r.sampling.temperature = 0.9f, r.seed = seed;
  r.stop_tokens = {3, 11, 19, 27};
  return r;
}

std::vector<Completion> sorted(std::vector<Completion> all) {
  std::sort(all.begin(), all.end(), [](const Completion& a, const Completion& b) {
    return std::tuple(a.ids, a.logprobs) < std::tuple(b.ids, b.logprobs);
  });
  return all;
}

/** `first`, which `second` joins at its fourth token; between two tokens somebody has a text scored. */
std::vector<Completion> both(Model& model, const GenerateRequest& first, const GenerateRequest& second, const Forest& scored) {
  std::vector<Completion> results;
  const auto call_of = [&](const GenerateRequest& request) {
    auto call = std::make_shared<GenerateCall>();
    call->request = request;
    call->control = std::make_shared<GenerateControl>();
    call->done = [&](std::vector<Completion> done) { for (Completion& c : done) results.push_back(std::move(c)); };
    call->fail = [](const std::string& error) { throw std::runtime_error(error); };
    return call;
  };
  int turns = 0;
  model.generate(call_of(first), {}, [&] {
    if (turns++ == 4) model.generate(call_of(second), {}, [] {});
    if (turns == 6 || turns == 9) model.logprobs(scored, {}, 1, false);
  });
  return sorted(std::move(results));
}

/** Rows of two calls that differ in their seeds alone are drawn together, each as if it were by itself. */
void calls_share_draws(Device& device) {
  const ModelConfig c = config(false, 16);
  Model model(device, c, options_of(Dtype::f32, false));
  fill(model, 1);
  const GenerateRequest first = request_of(c, 2, {5, 30}), second = request_of(c, 3, {40, 2});
  Random random(5);
  const auto together = both(model, first, second, forest({{-1, 0, random_ids(random, 12, c.vocab_size)}}, c));
  auto alone = generate(model, first), others = generate(model, second);
  alone.insert(alone.end(), others.begin(), others.end());
  CHECK(same(together, sorted(alone)));
}

void graphs_change_nothing(Device& device, bool qwen3, int head_dim, Dtype dtype, bool lora) {
  const ModelConfig c = config(qwen3, head_dim);
  Model model(device, c, options_of(dtype, lora));
  fill(model, 1);
  // Paths beyond 128 positions are cut into splits by the emulated GPU, more of them than there are in a recorded step.
  const GenerateRequest first = request_of(c, 2, {5, 120, 33}), again = request_of(c, 3, {9, 126});
  GenerateRequest second = request_of(c, 4, {40, 2});
  second.sampling.top_k = 20, second.sampling.repetition_penalty = 1.2f, second.samples = 2, second.top_logprobs = 3;
  Random random(5);
  const Forest scored = forest({{-1, 0, random_ids(random, 12, c.vocab_size)}}, c);

  const Graphs off(false);
  const auto plain = both(model, first, second, scored), plain_again = generate(model, again);
  const auto before = model.decode_steps();
  CHECK(before.plain > 10 && before.recorded == 0 && before.replayed == 0);
  const Graphs on(true);
  const auto recorded = both(model, first, second, scored), recorded_again = generate(model, again);
  const auto after = model.decode_steps();
  CHECK(same(plain, recorded));
  CHECK(same(plain_again, recorded_again));
  // Four shapes at most (1, 2, 4, 7 rows): each is run plainly and recorded once, perhaps again when scratch moves; the rest are replays.
  CHECK(after.recorded >= 2 && after.recorded <= 6 && after.plain - before.plain <= 6);
  CHECK(after.replayed >= before.plain - 12);
}

/** Weights that move between two calls are seen by graphs recorded before. */
void graphs_see_new_weights(Device& device, bool lora) {
  const ModelConfig c = config(false, 16);
  const GenerateRequest r = request_of(c, 2, {5, 33});
  Random random(6);
  const Forest f = forest({{-1, 0, random_ids(random, 20, c.vocab_size)}, {0, 9, random_ids(random, 7, c.vocab_size)}}, c);
  const TrainRequest request = grpo_request(f, random, false);
  AdamwConfig adam;
  adam.learning_rate = 1e-2;
  std::vector<Completion> results[2][3];
  for (const bool on : {false, true}) {
    const Graphs graphs(on);
    Model model(device, c, options_of(Dtype::f32, lora));
    fill(model, 1);
    const auto learn = [&] { model.train(f, request), model.step(adam, 1); };
    learn();
    for (int i = 0; i < 2; i++) results[on][i] = generate(model, r);
    const auto before = model.decode_steps();
    learn();
    results[on][2] = generate(model, r);
    const auto after = model.decode_steps();
    if (on) CHECK(before.recorded > 0 && after.dropped == before.dropped && after.replayed > before.replayed);
  }
  CHECK(same(results[0][0], results[0][1]) && !same(results[0][1], results[0][2]));
  for (int i = 0; i < 3; i++) CHECK(same(results[0][i], results[1][i]));
}

/** Longer paths need longer tables of angles, larger batches larger scratch: graphs hold the old addresses. */
void graphs_follow_addresses() {
  const ModelConfig c = config(false, 64);
  const GenerateRequest r = request_of(c, 2, {5, 130}), longer = request_of(c, 3, {170});
  Random random(6);
  const auto ids = random_ids(random, 280, c.vocab_size);
  const Forest large = forest({{-1, 0, ids}, {-1, 0, ids}}, c);
  std::vector<Completion> results[2][4];
  for (const bool on : {false, true}) {
    const Graphs graphs(on);
    const auto device = open_device(gpu_name(), 1);  // its scratch has not grown yet
    Model model(*device, c, options_of(Dtype::bf16, false));
    fill(model, 1);
    const auto drops = [&](int i, const GenerateRequest& request) {
      const auto before = model.decode_steps();
      results[on][i] = generate(model, request);
      if (on) CHECK(model.decode_steps().replayed > before.replayed);
      return model.decode_steps().dropped > before.dropped;
    };
    CHECK(!drops(0, r));
    CHECK(drops(1, longer) == on);
    CHECK(!drops(2, r) || on);
    model.logprobs(large, {}, 1, false);
    const bool dropped = drops(3, r);
    if (!cuda_wanted()) CHECK(dropped == on);  // on a GPU such short paths need no scratch of attention's
  }
  for (int i = 0; i < 4; i++) CHECK(same(results[0][i], results[1][i]));
}

/** What a token costs: a copy in, a copy out, one recorded launch and three more, the LM head, softmax and draw. */
void tokens_cost_little(Device& device) {
  if (cuda_wanted()) return;
  const ModelConfig c = config(false, 16);
  Model model(device, c, options_of(Dtype::f32, false));
  fill(model, 1);
  GenerateRequest r = request_of(c, 2, {5, 9});
  r.stop_tokens.clear();
  const Graphs on(true);
  for (int i = 0; i < 2; i++) generate(model, r);
  const auto cost = [&](int64_t tokens) {
    const auto before = emulation::counts();
    r.max_tokens = tokens;
    generate(model, r);
    const auto after = emulation::counts();
    return std::array<uint64_t, 3>{after.kernels - before.kernels, after.copies - before.copies, after.graphs - before.graphs};
  };
  const auto few = cost(4), more = cost(5);
  // A layer's kernels: norm, qkv, rope, keys and values, attention, output, norm, gate and up, swiglu, down.
  CHECK(more[0] - few[0] == static_cast<uint64_t>(10 * c.layers) + 2 + 3);
  CHECK(more[1] - few[1] == 2);
  CHECK(more[2] - few[2] == 1);
  // Prompts are read with one copy in, kept with one each; their first tokens take one copy in and one out.
  CHECK(few[1] == 1 + 2 + 2 + 3 * 2);
}

/** The page that filling rows write to is not taken from anybody: the longest text there can be has its room. */
void the_longest_text_fits(Device& device) {
  ModelConfig c = config(false, 16);
  c.max_position_embeddings = 64;
  ModelOptions o = options_of(Dtype::f32, false);
  o.max_decode_rows = 1;
  Model model(device, c, o);
  fill(model, 1);
  GenerateRequest r = request_of(c, 2, {33});
  r.samples = 1, r.max_tokens = 31;
  r.stop_tokens.clear();
  const Graphs on(true);
  CHECK(generate(model, r)[0].ids.size() == 31);
}

}  // namespace

int main() {
  shapes_are_few();
  graphs_are_kept_and_forgotten();
  calls_share_draws(*open_device("cpu", 1));
  if (!cuda_wanted() && !emulation_wanted()) return finish("step_graphs");
  const auto device = open_device(gpu_name(), 1);
  for (const bool lora : {false, true}) {
    graphs_change_nothing(*device, false, 16, Dtype::f32, lora);
    graphs_change_nothing(*device, true, 64, Dtype::bf16, lora);
    graphs_see_new_weights(*device, lora);
  }
  graphs_change_nothing(*device, true, 16, Dtype::f32, false);
  graphs_change_nothing(*device, false, 64, Dtype::bf16, false);
  graphs_follow_addresses();
  tokens_cost_little(*device);
  calls_share_draws(*device);
  the_longest_text_fits(*device);
  return finish("step_graphs");
}
