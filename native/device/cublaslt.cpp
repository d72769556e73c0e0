// Looks for libcublasLt and binds what we call of it; a library that lacks any of it is passed over.
#include "cublaslt.h"

#include <dlfcn.h>
#include <glob.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

namespace rectify {

namespace {

constexpr const char* kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void add_matches(std::vector<std::string>& paths, const std::string& pattern) {
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; i++) paths.emplace_back(found.gl_pathv[i]);
  globfree(&found);
}

void add_folder(std::vector<std::string>& paths, const std::string& folder) {
  for (const char* name : kNames) add_matches(paths, folder + "/" + name);
}

template <typename Function>
bool bind(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::unique_ptr<CublasLt> open(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return nullptr;
  auto lt = std::make_unique<CublasLt>();
  lt->path = path;
  lt->emulated = dlsym(library, "rectify_stand_in") != nullptr;
  if (bind(library, "cublasLtGetVersion", lt->version) && bind(library, "cublasLtCreate", lt->create) &&
      bind(library, "cublasLtMatmulDescCreate", lt->product_create) &&
      bind(library, "cublasLtMatmulDescSetAttribute", lt->product_set) &&
      bind(library, "cublasLtMatmulDescDestroy", lt->product_destroy) &&
      bind(library, "cublasLtMatrixLayoutCreate", lt->layout_create) &&
      bind(library, "cublasLtMatrixLayoutDestroy", lt->layout_destroy) &&
      bind(library, "cublasLtMatmulPreferenceCreate", lt->preference_create) &&
      bind(library, "cublasLtMatmulPreferenceSetAttribute", lt->preference_set) &&
      bind(library, "cublasLtMatmulPreferenceDestroy", lt->preference_destroy) &&
      bind(library, "cublasLtMatmulAlgoGetHeuristic", lt->candidates) &&
      bind(library, "cublasLtMatmulAlgoConfigGetAttribute", lt->setting) &&
      bind(library, "cublasLtMatmulAlgoCheck", lt->check) && bind(library, "cublasLtMatmul", lt->multiply)) {
    if (Dl_info info; dladdr(reinterpret_cast<void*>(lt->version), &info) && info.dli_fname) lt->path = info.dli_fname;  // where the loader found it
    return lt;
  }
  dlclose(library);
  return nullptr;
}

}  // namespace

std::vector<std::string> cublaslt_candidates() {
  std::vector<std::string> paths;
  const std::string asked = environment("RECTIFY_CUBLASLT");
  if (asked == "off") return paths;
  if (!asked.empty()) {
    struct stat info;
    if (stat(asked.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) add_folder(paths, asked);
    else paths.push_back(asked);
    return paths;
  }
  paths.assign(std::begin(kNames), std::end(kNames));
  for (const char* home : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string folder = environment(home); !folder.empty()) add_folder(paths, folder + "/lib64");
  add_folder(paths, "/usr/local/cuda/lib64");
  std::vector<std::string> pythons;
  for (const char* root : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string folder = environment(root); !folder.empty()) pythons.push_back(folder);
  if (const std::string home = environment("HOME"); !home.empty()) pythons.push_back(home + "/.local");
  pythons.insert(pythons.end(), {"/usr/local", "/usr"});
  for (const std::string& python : pythons)
    for (const char* packages : {"site-packages", "dist-packages"})
      for (const char* wheel : {"cu13", "cublas"}) add_folder(paths, python + "/lib/python3*/" + packages + "/nvidia/" + wheel + "/lib");
  return paths;
}

const CublasLt* cublaslt() {
  static const std::unique_ptr<CublasLt> library = [] {
    for (const std::string& path : cublaslt_candidates())
      if (auto found = open(path)) return found;
    return std::unique_ptr<CublasLt>();
  }();
  return library.get();
}

}  // namespace rectify
