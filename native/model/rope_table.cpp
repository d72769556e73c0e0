// Frequencies of the rotary embedding: Llama 3 and linear scaling as transformers computes them.
#include "rope_table.h"

#include <cmath>

namespace rectify {

std::vector<float> rope_frequencies(const ModelConfig& config) {
  const int half = config.head_dim / 2;
  std::vector<float> out(static_cast<size_t>(half));
  for (int i = 0; i < half; i++) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    double frequency = 1.0f / std::pow(static_cast<float>(config.rope_theta), exponent);
    if (config.rope_scaling == RopeScaling::linear) frequency /= config.rope_factor;
    if (config.rope_scaling == RopeScaling::llama3) {
      // Long wavelengths are stretched by the factor, short ones kept, those between blended (Llama 3.1).
      const double positions = static_cast<double>(config.rope_original_positions);
      const double wavelength = 2 * M_PI / frequency;
      const double blend = (positions / wavelength - config.rope_low_freq_factor) /
                           (config.rope_high_freq_factor - config.rope_low_freq_factor);
      if (wavelength > positions / config.rope_low_freq_factor) frequency /= config.rope_factor;
      else if (wavelength >= positions / config.rope_high_freq_factor)
        frequency = (1 - blend) * frequency / config.rope_factor + blend * frequency;
    }
    out[static_cast<size_t>(i)] = static_cast<float>(frequency);
  }
  return out;
}

}  // namespace rectify
