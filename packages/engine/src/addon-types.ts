// The addon as TypeScript sees it. Written by the addon itself: bun run types; edit native/addon/options.h instead.

export interface NativeConfig {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  rmsNormEps: number
  ropeTheta: number
  ropeType: "default" | "linear" | "llama3"
  ropeFactor: number
  ropeLowFreqFactor: number
  ropeHighFreqFactor: number
  ropeOriginalPositions: number
  maxPositionEmbeddings: number
  tieWordEmbeddings: boolean
  qkvBias: boolean
  outputBias: boolean
  mlpBias: boolean
  qkNorm: boolean
  initializerRange: number
}

export interface LoraOptions {
  rank: number
  alpha: number
  dropout: number
  rslora: boolean
  targetModules: string[]
  seed: number
}

export interface NativeOptions {
  dtype: "float32" | "bfloat16"
  device: string
  threads: number
  training: boolean
  maxBatchTokens: number
  gradientCheckpointing: boolean
  maxDecodeRows: number
  memoryLimit: number
  lora?: LoraOptions
}

export interface TensorSource {
  name: string
  file: string
  offset: number
  bytes: number
  dtype: "f32" | "bf16" | "f16"
}

export interface TensorHeader {
  name: string
  shape: number[]
}

export interface OpenRequest {
  config: NativeConfig
  options: NativeOptions
  tensors: TensorSource[]
  seed?: number
}

export interface OptimizerFile {
  step: number
  tensors: TensorSource[]
}

export interface GenerateRequest {
  prompts: Int32Array[]
  n: number
  promptKeys: Int32Array
  maxTokens: number
  temperature: number
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  stopTokens: number[]
  stopStrings: string[]
  seed: number
  step: number
  topLogprobs: number
  stream: boolean
}

export interface Completion {
  prompt: number
  sample: number
  ids: Int32Array
  logprobs: Float32Array
  entropy: Float32Array
  topIds: Int32Array
  topLogprobs: Float32Array
  finishReason: "stop" | "length" | "cancelled"
}

export interface FreshTokens {
  completion: Int32Array
  ids: Int32Array
  logprobs: Float32Array
  topIds: Int32Array
  topLogprobs: Float32Array
}

export interface Forest {
  parent: Int32Array
  parentLength: Int32Array
  length: Int32Array
  tokens: Int32Array
}

export interface ScoreRequest {
  forest: Forest
  mask?: Uint8Array
  temperature: number
  reference: boolean
  topLogprobs: number
}

export interface Scores {
  logprobs: Float32Array
  entropy: Float32Array
  best: Float32Array
  topIds: Int32Array
  topLogprobs: Float32Array
}

export interface GrpoLoss {
  kind: "grpo"
  lossType: "grpo" | "bnpo" | "dr_grpo" | "dapo" | "cispo" | "sapo"
  epsilon: number
  epsilonHigh: number
  delta: number
  beta: number
  kl: "k1" | "k2" | "k3"
  useBiasCorrectionKl: boolean
  importanceSamplingLevel: "token" | "sequence"
  sapoTemperatureNeg: number
  sapoTemperaturePos: number
  numSequences: number
  numTokens: number
  maxCompletionLength: number
  advantages: Float32Array
  oldLogprobs?: Float32Array
  refLogprobs?: Float32Array
}

export interface SftLoss {
  kind: "sft"
  weights: Float32Array
}

export interface TrainBatch {
  forest: Forest
  mask: Uint8Array
  temperature: number
  loss: GrpoLoss | SftLoss
}

export interface LossStats {
  loss: number
  tokens: number
  sequences: number
  entropySum: number
  likeliest: number
  klSum: number
  clipLow: number
  clipHigh: number
  ratioSum: number
  ratioMin: number
  ratioMax: number
  logpDifferenceSum: number
  logpDifferenceMax: number
}

export interface StepOptions {
  learningRate: number
  weightDecay: number
  adamBeta1: number
  adamBeta2: number
  adamEpsilon: number
  maxGradNorm: number
}

export interface StepResult {
  gradNorm: number
  step: number
}

export interface ReproRequest {
  surrogate: Float32Array
  begin: Int32Array
  stabilityWeight: number
  emaWeight: number
  firstReward: "score" | "difference"
}

export interface ReproScores {
  magnitude: Float32Array
  stability: Float32Array
  score: Float32Array
  reward: Float32Array
}

export interface MemoryPlan {
  weights: number
  grads: number
  adam: number
  activations: number
  kv: number
  free: number
}

export interface Gpu {
  name: string
  major: number
  minor: number
  multiprocessors: number
  memory: number
  free: number
  error: string
}

export interface GpuReport {
  built: boolean
  driver: number
  runtime: number
  error: string
  cublasLt: string
  cublasLtVersion: number
  gpus: Gpu[]
}

export interface EngineStats {
  device: string
  isa: string
  threads: number
  parameters: number
  trainedParameters: number
  dtype: "float32" | "bfloat16"
  optimizerStep: number
  plan: MemoryPlan
  peakBytes: number
}

export interface GrpoConfig {
  lossType: "grpo" | "bnpo" | "dr_grpo" | "dapo" | "cispo" | "sapo"
  epsilon: number
  epsilonHigh: number
  delta: number
  beta: number
  kl: "k1" | "k2" | "k3"
  useBiasCorrectionKl: boolean
  importanceSamplingLevel: "token" | "sequence"
  sapoTemperatureNeg: number
  sapoTemperaturePos: number
  numSequences: number
  numTokens: number
  maxCompletionLength: number
}

export interface GrpoLossRequest {
  config: GrpoConfig
  lengths: Int32Array
  logprobs: Float32Array
  advantages: Float32Array
  oldLogprobs?: Float32Array
  refLogprobs?: Float32Array
}

export interface GrpoLossResult {
  stats: LossStats
  gradient: Float32Array
}

export interface NativeEngine {
  open(request: OpenRequest): Promise<void>
  generate(call: number, request: GenerateRequest): Promise<Completion[]>
  generated(call: number): number
  fresh(call: number): FreshTokens
  cancel(call?: number): void
  logprobs(request: ScoreRequest): Promise<Scores>
  train(batch: TrainBatch): Promise<LossStats>
  reproScore(request: ReproRequest): Promise<ReproScores>
  step(options: StepOptions): Promise<StepResult>
  freeze(tensors: TensorSource[]): Promise<void>
  syncReference(share: number): Promise<void>
  saveReference(file: string): Promise<void>
  setVocabulary(bytes: Uint8Array[]): Promise<void>
  save(file: string): Promise<void>
  merge(file: string): Promise<void>
  loadAdapter(tensors: TensorSource[]): Promise<void>
  saveOptimizer(file: string): Promise<void>
  loadOptimizer(file: OptimizerFile): Promise<void>
  values(which: "weight" | "gradient", name: string): Promise<Float32Array>
  stats(): Promise<EngineStats>
  dispose(): Promise<void>
}

export interface Addon {
  Engine: new () => NativeEngine
  tensors(config: NativeConfig, lora?: LoraOptions): TensorHeader[]
  plan(config: NativeConfig, options: NativeOptions): MemoryPlan
  grpoLoss(request: GrpoLossRequest): GrpoLossResult
  gpus(): GpuReport
  types(): string
}
