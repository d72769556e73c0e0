// The GPU as a device (device.cu), on the emulated runtime or on a GPU (RECTIFY_TEST_CUDA=1): copies, the arena, refusals, recorded
// graphs. What is waited for too little or too early shows in values: the emulated stream runs when the host waits, and no sooner.
// The cases run again in programs of their own: with a stream that runs at once, with a wait after every kernel, without graphs,
// and on a small card.
#include <sys/wait.h>

#include <functional>
#include <stdexcept>
#include <thread>

#include "../device/emulation/observe.h"
#include "../device/gpu.h"
#include "../kernels/kernels.h"
#include "check.h"

using namespace rectify;
using namespace rectify::test;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

bool set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value == '1';
}
bool in_emulation() { return !cuda_wanted(); }
bool waits_for_kernels() { return set("RECTIFY_CUDA_SYNCHRONOUS"); }
/** Does the stream run when the host waits, and no sooner? */
bool lazy() { return in_emulation() && !set("RECTIFY_EMULATION_EAGER") && !waits_for_kernels(); }

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) std::printf("  expected \"%s\" in \"%s\"\n", part, text.c_str());
  return found;
}

std::vector<char> bytes_of(Random& random, size_t count) {
  std::vector<char> all(count);
  for (char& byte : all) byte = static_cast<char>(random.next());
  return all;
}

/** A few values on the device, and a kernel that adds others to them. */
class Sums {
 public:
  explicit Sums(Device& device) : device_(device), x_(device, kBytes), y_(device, kBytes), rows_(device, 4) {
    device.zero(x_.data(), kBytes);
    const int32_t row = 0;
    device.copy_in(rows_.data(), &row, sizeof row);
  }
  void set(float value) {
    std::vector<float> values(kCount, value);
    device_.copy_in(y_.data(), values.data(), kBytes);
    std::fill(values.begin(), values.end(), -1e9f);  // what was to be copied has been taken
  }
  void add() { scatter_rows(device_, tensor(x_), tensor(y_), {rows_.data(), 1, 1, Dtype::i32}); }
  float sum() {
    std::vector<float> values(kCount, -1);
    device_.copy_out(values.data(), x_.data(), kBytes);
    for (const float value : values)
      if (value != values[0]) return NAN;
    return values[0];
  }
  void* x() { return x_.data(); }
  void* y() { return y_.data(); }
  static constexpr size_t kCount = 1000, kBytes = kCount * sizeof(float);

 private:
  Tensor tensor(Buffer& buffer) { return {buffer.data(), 1, static_cast<int64_t>(kCount), Dtype::f32}; }
  Device& device_;
  Buffer x_, y_, rows_;
};

/** Around the staging memory's size, and at odd addresses. */
void copies(Device& device) {
  Random random(1);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4097}, 4 * kMiB - 1, 4 * kMiB, 4 * kMiB + 1, 16 * kMiB, 21 * kMiB + 7}) {
    const std::vector<char> given = bytes_of(random, size);
    std::vector<char> source = given;
    Buffer first(device, size + 8), second(device, size + 8);
    char* const at = static_cast<char*>(first.data()) + 3;
    char* const to = static_cast<char*>(second.data()) + 5;
    device.copy_in(at, source.data(), size);
    std::fill(source.begin(), source.end(), 'x');
    device.copy(to, at, size);
    device.zero(at, size);
    std::vector<char> zeros(size, 'y'), back(size, 'z');
    device.copy_out(back.data(), to, size);
    device.copy_out(zeros.data(), at, size);
    CHECK(back == given);
    CHECK(zeros == std::vector<char>(size, 0));
  }
}

/** More copies under way than there is staging memory, kernels between them. */
void order(Device& device) {
  Sums sums(device);
  float expected = 0;
  for (int i = 1; i <= 30; i++) {
    sums.set(static_cast<float>(i));
    sums.add();
    expected += static_cast<float>(i);
    if (i % 7 == 0) CHECK(sums.sum() == expected);
  }
  CHECK(sums.sum() == expected);
  // Large pieces of a copy out, each overwritten as soon as it has been asked for.
  Random random(2);
  const std::vector<char> given = bytes_of(random, 18 * kMiB);
  Buffer large(device, given.size());
  std::vector<char> back(given.size());
  device.copy_in(large.data(), given.data(), given.size());
  device.copy_out(back.data(), large.data(), given.size());
  device.zero(large.data(), given.size());
  sums.add();
  CHECK(back == given);
  if (lazy()) {
    // Small copies in, kernels and copies within the device do not wait.
    device.synchronize();
    const auto before = emulation::counts();
    for (int i = 0; i < 4; i++) sums.set(1);
    for (int i = 0; i < 40; i++) sums.add();
    device.copy(sums.y(), sums.x(), Sums::kBytes);
    const auto after = emulation::counts();
    CHECK(after.kernels == before.kernels && after.copies == before.copies);
    device.synchronize();
    CHECK(emulation::counts().kernels == before.kernels + 40 && emulation::counts().copies == before.copies + 5);
  }
}

void arena(const char* name) {
  const auto device = open_device(name, 1);
  device->synchronize();
  const size_t before = device->free_memory();
  device->reserve(4 * kMiB);
  device->reserve(40 * kMiB);  // it stays what it is
  const size_t reserved = device->free_memory();
  if (in_emulation()) CHECK(before - reserved == 4 * kMiB);
  Buffer a(*device, kMiB), b(*device, kMiB), c(*device, kMiB), d(*device, kMiB);
  char* const base = static_cast<char*>(a.data());
  CHECK(b.data() == base + kMiB && c.data() == base + 2 * kMiB && d.data() == base + 3 * kMiB);
  CHECK(device->free_memory() == reserved);
  const auto within = [&](const Buffer& buffer) { return buffer.data() >= base && buffer.data() < base + 4 * kMiB; };
  Buffer beyond(*device, 1);
  CHECK(!within(beyond));
  b.reset();
  d.reset();
  Buffer torn(*device, 2 * kMiB);  // two free pieces, none of two MiB
  CHECK(!within(torn));
  Buffer odd(*device, 1000), next(*device, 1);
  CHECK(odd.data() == base + kMiB && next.data() == base + kMiB + 1024);
  odd.reset();
  c.reset();
  next.reset();
  Buffer joined(*device, 3 * kMiB);
  CHECK(joined.data() == base + kMiB);
  // What a kernel in flight still uses may be given back: what comes next uses it later.
  Sums sums(*device);
  {
    Sums short_lived(*device);
    short_lived.set(5);
    short_lived.add();
    device->copy(sums.y(), short_lived.x(), Sums::kBytes);
  }
  Sums in_its_place(*device);
  in_its_place.set(2);
  in_its_place.add();
  sums.add();
  CHECK(sums.sum() == 5 && in_its_place.sum() == 2);
  if (in_emulation()) {
    std::vector<float> fresh(16);
    joined.reset();
    Buffer again(*device, 64);
    device->copy_out(fresh.data(), again.data(), 64);
    for (const float value : fresh) CHECK(std::isnan(value));
  }
}

void refusals(const char* name) {
  const auto device = open_device(name, 1);
  const size_t free = device->free_memory();
  CHECK(free > 0);
  for (const size_t bytes : {free + kMiB, ~size_t{0} / 4, ~size_t{0}}) {
    const std::string text = message_of([&] { Buffer(*device, bytes); });
    CHECK(has(text, "device: expected ") && has(text, name) && has(text, " MiB free of ") &&
          has(text, "; lower per_device_train_batch_size, set gradient_checkpointing: true, use dtype: bfloat16"));
  }
  CHECK(has(message_of([&] { device->reserve(free + kMiB); }), "device: expected "));
  if (in_emulation()) CHECK(device->free_memory() == free);
  Sums sums(*device);
  sums.set(1);
  sums.add();
  CHECK(sums.sum() == 1);
  CHECK(has(message_of([&] { open_device(std::string(name) + ":77", 1); }), "device: expected "));
}

void graphs(Device& device) {
  Sums sums(device);
  Buffer kept(device, Sums::kBytes);
  int recordings = 0;
  const auto step = [&] {
    recordings++;
    sums.add();
    device.copy(kept.data(), sums.x(), Sums::kBytes);
    sums.add();
  };
  sums.set(1);
  auto graph = device.record(step);
  CHECK((graph != nullptr) == device.records());
  if (!graph) {
    CHECK(recordings == 0 && (waits_for_kernels() || std::getenv("RECTIFY_CUDA_GRAPHS")));
    return;
  }
  CHECK(recordings == 1 && sums.sum() == 0);  // nothing has run
  float expected = 0, before_last = 0;
  for (int i = 1; i <= 9; i++) {
    sums.set(static_cast<float>(i));
    graph->run();
    before_last = expected + static_cast<float>(i);
    expected += 2 * static_cast<float>(i);
    if (i % 4 == 0) sums.add(), expected += static_cast<float>(i);
  }
  std::vector<float> values(Sums::kCount);
  device.copy_out(values.data(), kept.data(), Sums::kBytes);
  CHECK(values[0] == before_last && sums.sum() == expected);
  graph->run();
  graph.reset();  // in flight
  CHECK(recordings == 1 && sums.sum() == expected + 18);
  expected += 18;

  // What fails while it is recorded leaves the device as it was.
  std::vector<char> host(8);
  auto& gpu = static_cast<GpuDevice&>(device);
  const std::pair<std::function<void()>, const char*> bad[] = {
      {[] { throw std::runtime_error("by the caller"); }, "by the caller"},
      {[&] { device.synchronize(); }, "cuda: synchronize: operation not permitted when stream is capturing"},
      {[&] { device.copy_in(kept.data(), host.data(), host.size()); }, "expected copies from and to the host before or after a graph"},
      {[&] { device.copy_out(host.data(), kept.data(), host.size()); }, "expected copies from and to the host before or after a graph"},
      {[&] { gpu.workspace(3 * kMiB, 31); }, "expected scratch to have its size before a graph is recorded"},
      {[&] { Buffer(device, 48 * kMiB); }, "asked for within"},
      {[&] { device.record([] {}); }, "cuda: "},
  };
  for (const auto& [action, text] : bad) {
    const auto work = [&, &action = action] {
      sums.add();
      action();
      sums.add();
    };
    CHECK(has(message_of([&] { device.record(work); }), text));
    CHECK(!gpu.recording() && sums.sum() == expected);
  }
  auto again = device.record([&] { sums.add(); });
  again->run();
  CHECK(sums.sum() == expected + 9);
  expected += 9;
  // What is outside of the arena cannot be freed while a graph is recorded; it is later.
  const size_t before = device.free_memory();
  Buffer outside(device, 40 * kMiB);
  CHECK(has(message_of([&] {
              device.record([&] {
                sums.add();
                outside.reset();
              });
            }),
            "cuda: expected memory to be kept while a graph is recorded"));
  CHECK(device.free_memory() == before);
  CHECK(sums.sum() == expected);
  // Scratch that has its size is the same when it is recorded.
  void* const scratch = gpu.workspace(kMiB, 30);
  device.record([&] { CHECK(gpu.workspace(kMiB / 2, 30) == scratch); });
}

/** Scratch that grows while kernels use what it was. */
void scratch(Device& device) {
  auto& gpu = static_cast<GpuDevice&>(device);
  Sums sums(device);
  sums.set(3);
  sums.add();
  for (size_t bytes = Sums::kBytes; bytes < 40 * Sums::kBytes; bytes *= 3) {
    void* const data = gpu.workspace(bytes, 29);
    device.copy(data, sums.x(), Sums::kBytes);
    device.copy(sums.y(), data, Sums::kBytes);
    gpu.workspace(bytes * 2, 29);
    sums.add();
  }
  CHECK(sums.sum() == 3.0f * 16);
}

void reports(const char* name) {
  const GpuReport before = in_emulation() ? emulated::report() : find_gpus();
  CHECK(before.built && before.error.empty() && !before.gpus.empty() && before.runtime >= 11000 && before.driver >= 11000);
  for (const auto& gpu : before.gpus) CHECK(!gpu.name.empty() && gpu.memory >= gpu.free && gpu.major > 0 && gpu.multiprocessors > 0);
  if (!in_emulation()) return;
  const auto device = open_device(name, 1);
  Buffer some(*device, 8 * kMiB);
  const GpuReport after = emulated::report();
  CHECK(before.gpus[0].free - after.gpus[0].free == 8 * kMiB && before.gpus[1].free == after.gpus[1].free);
  CHECK(device->free_memory() == after.gpus[0].free);
}

/** Several GPUs in turn by one thread, and one by a thread that has never seen it. */
void several(const char* name) {
  const GpuReport report = in_emulation() ? emulated::report() : find_gpus();
  if (report.gpus.size() < 2) return;
  const auto one = open_device(name, 1), two = open_device(std::string(name) + ":1", 1);
  Sums here(*one), there(*two);
  for (int i = 0; i < 3; i++) {
    here.set(1), there.set(10);
    here.add(), there.add();
    here.add(), there.add(), there.add();
  }
  CHECK(here.sum() == 6 && there.sum() == 90);
  std::thread([&] { there.add(); }).join();
  CHECK(there.sum() == 100);
  Buffer on_two(*two, 8 * kMiB);
  here.add();
  if (in_emulation()) CHECK(two->free_memory() + 8 * kMiB == one->free_memory());
  here.add();
  on_two.reset();
  two->zero(there.x(), Sums::kBytes);
  CHECK(here.sum() == 8 && there.sum() == 0);
  if (two->records()) {
    auto graph = two->record([&] { there.add(); });
    here.set(2);
    graph->run();
    CHECK(there.sum() == 10);
  }
}

void all(const char* name) {
  {
    const auto device = open_device(name, 1);
    copies(*device);
    order(*device);
    scratch(*device);
    graphs(*device);
  }
  {
    const auto device = open_device(name, 1);
    device->reserve(32 * kMiB);
    copies(*device);
    order(*device);
    scratch(*device);
    graphs(*device);
  }
  arena(name);
  refusals(name);
  reports(name);
  several(name);
  if (in_emulation()) CHECK(emulation::left_over() == "");
}

}  // namespace

int main(int count, char** words) {
  const char* name = gpu_name();
  all(name);
  if (count == 1) {
    for (const char* how : {"RECTIFY_EMULATION_EAGER=1", "RECTIFY_CUDA_SYNCHRONOUS=1", "RECTIFY_CUDA_GRAPHS=0", "RECTIFY_EMULATION_MEMORY=134217728"}) {
      if (!in_emulation() && std::string(how).rfind("RECTIFY_EMULATION", 0) == 0) continue;
      const int status = std::system((std::string(how) + " '" + words[0] + "' again").c_str());
      if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0)) std::printf("  with %s\n", how);
    }
  }
  return finish(count == 1 ? "gpu_device" : "gpu_device, again");
}
