// RePro (arXiv 2512.01925): how good and how steady a thought's progress is, from the surrogate J (mean log-probability of the
// answer) at its points, the first of which is the baseline. In double, with v = -J:
//   magnitude_j = 1 + tanh((v_0 - v_j) / (v_0 + 1e-6) - 1)                              in (0, 1], 1 - tanh(1) at the baseline
//   stability_j = (tau_j + 1) / 2,  tau_j = Kendall's tau-a of J over points 0..j, ties count 0, J smoothed first:
//                 e_0 = J_0, e_i = ema_weight J_i + (1 - ema_weight) e_{i-1}
//   S_j = (1 - w) magnitude_j + w stability_j;   r_1 = S_1, or S_1 - S_0;   r_j = S_j - S_{j-1};   nothing at the baseline
// S_0 = (1 - w)(1 - tanh 1) + w / 2: one point alone has no pair, and no evidence is tau = 0.
#include <cmath>
#include <cstdio>

#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

namespace {

[[noreturn]] void refuse(const char* expected, double value, int64_t point) {
  char text[160];
  snprintf(text, sizeof text, "repro_score: expected %s, got %g at point %lld", expected, value, static_cast<long long>(point));
  throw std::runtime_error(text);
}

/** A log-probability; rounding may leave it a little above 0. */
double checked(const float* surrogate, int64_t point) {
  const double j = static_cast<double>(surrogate[point]);
  if (!(j - j == 0)) refuse("a finite surrogate", j, point);
  if (j > 1e-3) refuse("a surrogate (a mean log-probability) of at most 0", j, point);
  return j < 0 ? j : 0;
}

}  // namespace

void repro_score(Device& device, float* magnitude, float* stability, float* score, float* reward, const float* surrogate,
                 const int32_t* begin, int64_t thoughts, ReproConfig config) {
  const double w = static_cast<double>(config.stability_weight), newest = static_cast<double>(config.ema_weight);
  for (int64_t t = 0; t < thoughts; t++) {
    const int64_t first = begin[t], count = begin[t + 1] - first;
    if (count < 0) refuse("thoughts in order", static_cast<double>(count), first);
    if (count == 0) continue;
    auto* smooth = static_cast<double*>(device.scratch(0, static_cast<size_t>(count) * sizeof(double)));
    const double baseline = -checked(surrogate, first);
    smooth[0] = -baseline;
    magnitude[first] = stability[first] = score[first] = reward[first] = 0;
    double previous = config.first_difference ? (1 - w) * (1 - tanh(1.0)) + w / 2 : 0;
    int64_t ordered = 0;  // pairs that rise minus pairs that fall
    for (int64_t j = 1; j < count; j++) {
      const double value = checked(surrogate, first + j);
      smooth[j] = newest == 1 ? value : smooth[j - 1] + newest * (value - smooth[j - 1]);  // exact for ties
      for (int64_t i = 0; i < j; i++) ordered += (smooth[j] > smooth[i]) - (smooth[j] < smooth[i]);
      const double pairs = static_cast<double>(j) * static_cast<double>(j + 1) / 2;
      const double magnitude_j = 1 + tanh((baseline + value) / (baseline + 1e-6) - 1);
      const double stability_j = (static_cast<double>(ordered) / pairs + 1) / 2;
      const double s = (1 - w) * magnitude_j + w * stability_j;
      magnitude[first + j] = static_cast<float>(magnitude_j);
      stability[first + j] = static_cast<float>(stability_j);
      score[first + j] = static_cast<float>(s);
      reward[first + j] = static_cast<float>(s - previous);
      previous = s;
    }
  }
}

}  // namespace rectify::RECTIFY_TARGET
