// The sixteen-lane words of simd.h, as built for the baseline: exp16 against the double exponential over its whole range,
// comparisons with NaN, partial loads, folds. The other targets run the same source; their kernels' tests judge them.
#pragma GCC diagnostic ignored "-Wpsabi"
#define RECTIFY_TARGET baseline
#include "../kernels/kernels.h"
#include "../kernels/simd.h"
#include "check.h"

using namespace rectify;
using namespace rectify::baseline;

namespace {

float exp1(float x) {
  float out[16];
  store16(out, exp16(broadcast(x)));
  for (float lane : out) CHECK(std::memcmp(&lane, out, sizeof lane) == 0);
  return out[0];
}

void check_exp() {
  double worst = 0;
  for (int i = 0; i <= 200000; i++) {
    const float x = static_cast<float>(-87.3 + 174.3 * i / 200000);
    const double exact = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, static_cast<int>(std::floor(std::log2(exact))) - 23);
    worst = std::fmax(worst, std::fabs(static_cast<double>(exp1(x)) - exact) / ulp);
  }
  CHECK(worst <= 2 && worst > 0.4);
  const float infinity = __builtin_inff();
  CHECK(exp1(0) == 1 && exp1(-0.0f) == 1);
  CHECK(exp1(-87.4f) == 0 && exp1(-1e30f) == 0 && exp1(-infinity) == 0);
  CHECK(exp1(88.37f) > 2.3e38f && exp1(100) > 2.3e38f && exp1(infinity) == exp1(1e30f) && std::isfinite(exp1(infinity)));
  CHECK(std::isnan(exp1(__builtin_nanf(""))) && std::isnan(exp1(__builtin_nanf("0x3ff"))));
}

void check_lanes() {
  test::Random random(1);
  const float nan = __builtin_nanf(""), zero = 0;
  for (int round = 0; round < 1000; round++) {
    float a[16], b[16], most[16], least[16], chosen[16];
    for (int i = 0; i < 16; i++) a[i] = static_cast<float>(random.below(5)), b[i] = static_cast<float>(random.below(5));
    if (round % 3 == 0) a[random.below(16)] = nan;
    if (round % 3 == 1) b[random.below(16)] = nan;
    const v16i less = less16(load16(a), load16(b)), equal = equal16(load16(a), load16(b));
    store16(most, max16(load16(a), load16(b)));
    store16(least, min16(load16(a), load16(b)));
    store16(chosen, select16(less, load16(a), load16(b)));
    const auto same = [](float x, float y) { return x == y || (x != x && y != y); };
    for (int i = 0; i < 16; i++) {
      CHECK(less[i] == (a[i] < b[i] ? -1 : 0) && equal[i] == (a[i] == b[i] ? -1 : 0));
      CHECK(same(most[i], a[i] > b[i] ? a[i] : b[i]) && same(least[i], a[i] < b[i] ? a[i] : b[i]));
      CHECK(same(chosen[i], a[i] < b[i] ? a[i] : b[i]));
    }
  }
  float values[16], out[16];
  for (int i = 0; i < 16; i++) values[i] = static_cast<float>(1 << i);
  CHECK(sum16(load16(values)) == 65535 && largest16(load16(values)) == 32768 && largest16(-load16(values)) == -1);
  for (int64_t n = 0; n < 16; n++) {
    store16(out, load16_part(values, n, 7));
    for (int64_t i = 0; i < 16; i++) CHECK(out[i] == (i < n ? values[i] : 7));
    for (float& x : out) x = zero;
    store16_part(out, load16(values), n);
    for (int64_t i = 0; i < 16; i++) CHECK(out[i] == (i < n ? values[i] : zero));
  }
}

}  // namespace

int main() {
  check_exp();
  check_lanes();
  return test::finish("simd");
}
