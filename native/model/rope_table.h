// cos and sin of position * frequency, as Hugging Face computes them: frequencies and angles in f32.
#pragma once
#include <vector>

#include "config.h"

namespace rectify {

/** inv_freq (D / 2), with linear or llama3 scaling. */
std::vector<float> rope_frequencies(const ModelConfig& config);

}  // namespace rectify
