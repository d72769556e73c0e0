// The bytes of .safetensors files: checked views of mapped files, and a writer. Headers are parsed in TypeScript.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../device/tensor.h"

namespace rectify {

/** Where one tensor lies in a file. */
struct TensorSource {
  std::string name, file;
  uint64_t offset = 0, bytes = 0;
  Dtype dtype = Dtype::f32;
};

/** Maps each file once. */
class TensorFiles {
 public:
  TensorFiles();
  ~TensorFiles();

  /** The tensor's values, aligned for its type; valid until the next call. Throws when it does not lie within its file. */
  const void* read(const TensorSource& source);

 private:
  struct Mapping;
  std::map<std::string, std::unique_ptr<Mapping>> mappings_;
  std::vector<uint64_t> aligned_;
};

struct TensorHeader {
  std::string name;
  std::vector<int64_t> shape;
};

/**
 * Writes tensors one after the other, in the order announced, into a temporary file that finish() flushes to the disk and
 * renames to `file`. Without finish() nothing is left behind.
 */
class TensorWriter {
 public:
  TensorWriter(std::string file, Dtype dtype, const std::vector<TensorHeader>& tensors,
               const std::map<std::string, std::string>& metadata);
  ~TensorWriter();

  /** The next tensor's values, narrowed to the file's type (bf16: to nearest, ties to even). */
  void write(const std::vector<float>& values);
  void finish();

 private:
  void append(const void* data, size_t bytes);
  [[noreturn]] void fail(const char* what) const;

  std::string file_, temporary_;
  Dtype dtype_;
  int descriptor_ = -1;
  uint64_t left_ = 0;  // bytes still expected
  std::vector<uint16_t> narrow_;
};

}  // namespace rectify
