#!/usr/bin/env bash
# Builds the native tests with AddressSanitizer and UBSan in build/sanitize and runs them; exits 0 when every one is clean.
#   scripts/sanitize.sh [NAME ...]     only native/test/NAME.cpp
set -euo pipefail
cd "$(dirname "$0")/.."
cores=$(getconf _NPROCESSORS_ONLN)
cmake -S . -B build/sanitize -DRECTIFY_TESTS=ON -DRECTIFY_SANITIZE=ON -DRECTIFY_CUDA=OFF -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 >/dev/null
cmake --build build/sanitize --parallel "$cores" >build/sanitize/build.log 2>&1 || { cat build/sanitize/build.log; exit 1; }
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
failed=0
# The emulated GPU under the sanitizers is very slow, minutes for a test: these show its memory well enough. gpu_model, which is
# nothing without it, runs when it is named.
emulating=" cublaslt device emulation gpu_device gpu_model rmsnorm swiglu "
for source in native/test/*.cpp; do
  name=$(basename "$source" .cpp)
  [ $# -gt 0 ] || [ "$name" != gpu_model ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  emulated=0
  [[ "$emulating" != *" $name "* ]] || emulated=1
  RECTIFY_TEST_EMULATED=$emulated timeout 900 "build/sanitize/native_tests/$name" || { echo "sanitize: $name failed"; failed=1; }
done
exit $failed
