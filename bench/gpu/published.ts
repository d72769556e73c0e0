// What others have published of cases that we measure: on other hardware, with settings of their own, so a bar and not a comparison.

const bars: [RegExp, string][] = [
  [/^train step 0\.5B \d+x\d+$/, "149,000 LLM.Q, H100"],
  [/^train step 1\.5B \d+x\d+$/, "59,000 LLM.Q, H100"],
  [/^train step 7B \d+x\d+$/, "14,000 LLM.Q, H100"],
  [/^token_logprob forward T=16384 d=4096 V=131072$/, "24.1 Liger (CuTe), H100"],
  [
    /^token_logprob forward\+backward T=16384 d=4096 V=131072$/,
    "103.7 Liger (CuTe), 328.4 verl's chunks, H100",
  ],
  [
    /^token_logprob memory with inputs T=16384 d=4096 V=128256$/,
    "7,793 Liger's GRPO loss, 37,475 torch (MB, all held), A100",
  ],
  [/^token_logprob memory T=8192 d=2304 V=256000$/, "1,164 cut cross-entropy, 28,000 torch (MB), A100"],
  [/^token_logprob forward\+backward T=8192 d=2304 V=256000$/, "134.8 cut cross-entropy, 208.8 torch, A100"],
  [/^attention forward d128 .* 32768$/, "up to 740 FlashAttention-3 (f16), H100"],
]

export const published = (name: string): string => bars.find(([known]) => known.test(name))?.[1] ?? ""
