// The thread pool runs every part exactly once, again and again; buffers are aligned; unknown devices are refused by name.
#include "../device/gpu.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "../device/cublaslt.h"

#include "check.h"

using namespace rectify;

/** RECTIFY_CUBLASLT: off, a folder with two of them (the newest first), a file; and what is no such library is passed over. */
void test_library_search() {
  setenv("RECTIFY_CUBLASLT", "off", 1);
  CHECK(cublaslt_candidates().empty());
  char folder[] = "/tmp/rectify-cublaslt-XXXXXX";
  CHECK(mkdtemp(folder) != nullptr);
  const std::string at = folder;
  setenv("RECTIFY_CUBLASLT", folder, 1);
  CHECK(cublaslt_candidates().empty());
  for (const char* name : {"/libcublasLt.so.12", "/libcublasLt.so.13"})
    if (FILE* file = std::fopen((at + name).c_str(), "w")) std::fclose(file);
  CHECK((cublaslt_candidates() == std::vector<std::string>{at + "/libcublasLt.so.13", at + "/libcublasLt.so.12"}));
  CHECK(cublaslt() == nullptr);
  setenv("RECTIFY_CUBLASLT", "/some/where.so", 1);
  CHECK((cublaslt_candidates() == std::vector<std::string>{"/some/where.so"}));
  unsetenv("RECTIFY_CUBLASLT");
  CHECK(cublaslt_candidates().size() >= 3 && cublaslt_candidates()[0] == "libcublasLt.so.13");
  for (const char* name : {"/libcublasLt.so.12", "/libcublasLt.so.13", ""}) std::remove((at + name).c_str());
}

/** A late copy out has what was there when it was asked for, not what is written meanwhile. */
void test_late_copies() {
  for (const char* name : {"cpu", "cuda:emulated"}) {
    const auto late = open_device(name, 1);
    for (size_t count : {size_t{1000}, size_t{2} << 20}) {
      const std::vector<int> before(count, 7), after(count, 9);
      std::vector<int> found(count), next(count);
      const Buffer buffer(*late, count * 4);
      late->copy_in(buffer.data(), before.data(), buffer.bytes());
      late->copy_out_later(found.data(), buffer.data(), buffer.bytes());
      late->copy_in(buffer.data(), after.data(), buffer.bytes());
      late->land();
      late->copy_out(next.data(), buffer.data(), buffer.bytes());
      CHECK(found == before && next == after);
      late->land();  // none is under way
    }
  }
}

int main() {
  test_late_copies();
  test_library_search();
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    std::vector<int> hits(static_cast<size_t>(threads));
    for (int round = 0; round < 2000; round++)
      pool.run([](void* context, int t) { (*static_cast<std::vector<int>*>(context))[static_cast<size_t>(t)]++; }, &hits);
    for (int hit : hits) CHECK(hit == 2000);
  }
  auto device = open_device("cpu", 2);
  for (size_t bytes : {size_t{1}, size_t{1000}, size_t{5} << 20}) {
    Buffer buffer(*device, bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % 64 == 0);
    device->zero(buffer.data(), bytes);
  }
  CHECK(device->most_held() == size_t{5} << 20);
  {
    Buffer one(*device, 4000), two(*device, size_t{3} << 20);
    const Buffer three(*device, size_t{4} << 20);
    two = std::move(one);
  }
  CHECK(device->most_held() == (size_t{7} << 20) + 4000);
  const Buffer small(*device, 64);
  CHECK(device->most_held() == (size_t{7} << 20) + 4000);

  CHECK(device_memory("cpu") == 0);
  {
    const size_t free = device_memory("cuda:emulated"), other = device_memory("cuda:emulated:1");
    const auto second = open_device("cuda:emulated:1", 1);
    const Buffer held(*second, size_t{64} << 20);
    CHECK(device_memory("cuda:emulated") == free && device_memory("cuda:emulated:1") + held.bytes() <= other);
  }
  const size_t gpus = find_gpus().gpus.size();
  const auto refused_by = [](const auto& ask) {
    try {
      ask();
    } catch (const std::runtime_error& error) {
      return std::string(error.what()).rfind("device: ", 0) == 0;
    }
    return false;
  };
  for (const std::string& name : {std::string("tpu"), std::string("cpu:mmx"), std::string(), "cuda:" + std::to_string(gpus), std::string("cuda:1x"), std::string("cuda:emulated:2")}) {
    CHECK(refused_by([&] { open_device(name, 1); }));
    CHECK(refused_by([&] { device_memory(name); }));
  }
  for (size_t i = 0; i < gpus; i++) CHECK(device_memory("cuda:" + std::to_string(i)) <= find_gpus().gpus[i].memory);
  bool refused = false;
  try {
    Buffer(*device, ~size_t{0} / 4);
  } catch (const std::runtime_error&) {
    refused = true;
  }
  CHECK(refused);
  return test::finish("device");
}
