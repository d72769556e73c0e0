// The bytes of .safetensors files.
#include "safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace rectify {

namespace {

std::string error_text(const std::string& file, const char* what) {
  return file + ": " + what + ": " + std::strerror(errno);
}

/** The system would read a path only up to its first zero byte. */
const char* path_text(const std::string& file) {
  if (file.find('\0') != std::string::npos)
    throw std::runtime_error("file: expected a path without zero bytes, got one that begins with \"" + std::string(file.c_str()) + '"');
  return file.c_str();
}

uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);  // NaN stays NaN
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

std::string quoted(const std::string& text) {
  static const char* hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += hex[c >> 4 & 15];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string header_text(Dtype dtype, const std::vector<TensorHeader>& tensors,
                        const std::map<std::string, std::string>& metadata, uint64_t& data_bytes) {
  std::string text = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) text += (text.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
  text += "}";
  data_bytes = 0;
  for (const TensorHeader& tensor : tensors) {
    uint64_t bytes = dtype_bytes(dtype);
    std::string shape;
    for (const int64_t n : tensor.shape) {
      bytes *= static_cast<uint64_t>(n);
      shape += (shape.empty() ? "" : ",") + std::to_string(n);
    }
    text += "," + quoted(tensor.name) + ":{\"dtype\":\"" + (dtype == Dtype::bf16 ? "BF16" : "F32") + "\",\"shape\":[" +
            shape + "],\"data_offsets\":[" + std::to_string(data_bytes) + "," + std::to_string(data_bytes + bytes) + "]}";
    data_bytes += bytes;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

struct TensorFiles::Mapping {
  void* data = MAP_FAILED;
  uint64_t bytes = 0;

  explicit Mapping(const std::string& file) {
    const int descriptor = open(path_text(file), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw std::runtime_error(error_text(file, "cannot open"));
    struct stat info {};
    const bool regular = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    if (regular && info.st_size > 0) {
      bytes = static_cast<uint64_t>(info.st_size);
      data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    }
    const std::string failure = data == MAP_FAILED ? error_text(file, "cannot map") : "";
    close(descriptor);
    if (!regular) throw std::runtime_error(file + ": expected a file, got something else");
    if (data == MAP_FAILED) throw std::runtime_error(bytes == 0 ? file + ": expected tensors, got an empty file" : failure);
    madvise(data, bytes, MADV_SEQUENTIAL);
  }
  ~Mapping() { munmap(data, bytes); }
};

TensorFiles::TensorFiles() = default;
TensorFiles::~TensorFiles() = default;

const void* TensorFiles::read(const TensorSource& source) {
  auto& mapping = mappings_[source.file];
  if (!mapping) mapping = std::make_unique<Mapping>(source.file);
  if (source.offset > mapping->bytes || source.bytes > mapping->bytes - source.offset)
    throw std::runtime_error(source.file + ": " + source.name + ": expected " + std::to_string(source.bytes) +
                             " bytes at " + std::to_string(source.offset) + ", got a file of " +
                             std::to_string(mapping->bytes));
  const char* data = static_cast<const char*>(mapping->data) + source.offset;
  if (reinterpret_cast<uintptr_t>(data) % dtype_bytes(source.dtype) == 0) return data;
  aligned_.resize((source.bytes + 7) / 8);
  std::memcpy(aligned_.data(), data, source.bytes);
  return aligned_.data();
}

TensorWriter::TensorWriter(std::string file, Dtype dtype, const std::vector<TensorHeader>& tensors,
                           const std::map<std::string, std::string>& metadata)
    : file_(std::move(file)), temporary_(file_ + ".tmp-" + std::to_string(getpid())), dtype_(dtype) {
  const std::string header = header_text(dtype, tensors, metadata, left_);
  descriptor_ = open(path_text(temporary_), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw std::runtime_error(error_text(file_, "cannot write"));
  try {
    unsigned char length[8];
    for (size_t i = 0; i < 8; i++) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
    append(length, sizeof length);
    append(header.data(), header.size());
  } catch (...) {
    close(descriptor_);
    unlink(temporary_.c_str());
    throw;
  }
}

TensorWriter::~TensorWriter() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void TensorWriter::fail(const char* what) const { throw std::runtime_error(error_text(file_, what)); }

void TensorWriter::append(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write");
    from += written;
    bytes -= static_cast<size_t>(written);
  }
}

void TensorWriter::write(const std::vector<float>& values) {
  const uint64_t bytes = values.size() * dtype_bytes(dtype_);
  if (bytes > left_) throw std::logic_error(file_ + ": expected " + std::to_string(left_) + " more bytes, got " + std::to_string(bytes));
  left_ -= bytes;
  if (dtype_ != Dtype::bf16) return append(values.data(), bytes);
  narrow_.resize(values.size());
  for (size_t i = 0; i < values.size(); i++) narrow_[i] = to_bf16(values[i]);
  append(narrow_.data(), bytes);
}

void TensorWriter::finish() {
  if (left_ != 0) throw std::logic_error(file_ + ": expected " + std::to_string(left_) + " more bytes, got none");
  if (fsync(descriptor_) != 0) fail("cannot flush");
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || rename(temporary_.c_str(), file_.c_str()) != 0) {
    const std::string text = error_text(file_, "cannot rename");
    unlink(temporary_.c_str());
    throw std::runtime_error(text);
  }
  // The name itself must survive a power cut too.
  const size_t slash = file_.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : file_.substr(0, slash + 1);
  const int parent = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    fsync(parent);
    close(parent);
  }
}

}  // namespace rectify
