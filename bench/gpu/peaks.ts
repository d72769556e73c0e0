// What NVIDIA's data sheets say a GPU multiplies at most: bf16 on the tensor cores, f32 sums, no sparsity, TFLOP/s.

/** By the name the driver gives, the first that fits. */
const peaks: [RegExp, number][] = [
  [/\bGB200\b/, 2500],
  [/\bB200\b/, 2250],
  [/\bB100\b/, 1750],
  [/\bH20\b/, 148],
  [/\bH[12]00 NVL\b/, 835.5],
  [/\bH100 PCIe\b/, 756],
  [/\b(GH200|H200|H100|H800)\b/, 989.4],
  [/\b(A100|A800)\b/, 311.9],
  [/\bA30\b/, 165],
  [/\bA40\b/, 149.7],
  [/\bA10\b/, 125],
  [/\bL40S\b/, 362],
  [/\bL40\b/, 181],
  [/\bL4\b/, 121],
  [/\bRTX 6000 Ada\b/, 364.2],
  [/\bRTX A6000\b/, 154.8],
  [/\bRTX 5090\b/, 209.5],
  [/\bRTX 4090\b/, 165.2],
  [/\bRTX 3090\b(?! Ti)/, 71],
]

/** Undefined: not a GPU whose sheet we have read; then only the measured rate is a measure. */
export const peakTflops = (name: string): number | undefined => peaks.find(([known]) => known.test(name))?.[1]
