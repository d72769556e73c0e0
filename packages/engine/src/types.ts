// The words of the engine: what goes in and what comes out of each verb. Shapes are written beside each array.

/**
 * A batch. Each segment is a run of tokens whose parent is a *prefix* of an earlier segment, so that a prompt shared by
 * its group, and answer branches hanging inside a thought, are stored and computed once.
 * S segments, T tokens in all; a segment's tokens lie together, in segment order.
 */
export interface Forest {
  /** (S) index of an earlier segment, or -1 for a root */
  parent: Int32Array
  /** (S) how many of the parent's own tokens precede this segment: 1..length[parent]; 0 for a root */
  parentLength: Int32Array
  /** (S) own tokens, at least 1 */
  length: Int32Array
  /** (T) token ids */
  tokens: Int32Array
}

/** Log-probability of each token given its path, and the entropy (nats) of the distribution it was drawn from. */
export interface Scores {
  /** (T) NaN at the first token of a root, which nothing predicts */
  logprobs: Float32Array
  /** (T) */
  entropy: Float32Array
  /** (T) log-probability of the likeliest token there: equal to `logprobs` where that is the token, to the bit */
  best: Float32Array
  /** (T, topLogprobs) when asked for: the likeliest tokens in each token's place, likeliest first; -1 where nothing predicts */
  topIds?: Int32Array
  topLogprobs?: Float32Array
}

export type LossType = "grpo" | "bnpo" | "dr_grpo" | "dapo" | "cispo" | "sapo"
export type KlEstimator = "k1" | "k2" | "k3"

/** Clipped-surrogate loss; names and defaults are TRL's. A segment with at least one masked-in token is one sequence. */
export interface GrpoLoss {
  kind: "grpo"
  lossType: LossType
  epsilon: number
  epsilonHigh: number
  /** upper bound on the ratio when the advantage is negative (dual clip); Infinity switches it off */
  delta: number
  beta: number
  kl: KlEstimator
  useBiasCorrectionKl: boolean
  importanceSamplingLevel: "token" | "sequence"
  sapoTemperatureNeg: number
  sapoTemperaturePos: number
  /** sequences and loss tokens in the whole batch, and the longest completion allowed: the normalisers */
  numSequences: number
  numTokens: number
  maxCompletionLength: number
  /** (T) */
  advantages: Float32Array
  /** (T) log-probabilities of the sampling policy; absent: on-policy, the forward's own value with no gradient */
  oldLogprobs?: Float32Array
  /** (T) needed when beta > 0 */
  refLogprobs?: Float32Array
}

/** Weighted negative log-likelihood: sum over tokens of -weight * logp. */
export interface SftLoss {
  kind: "sft"
  /** (T) already divided by whatever normaliser is wanted */
  weights: Float32Array
}

export interface TrainBatch {
  forest: Forest
  /** (T) 1 where a token carries loss */
  mask: Uint8Array
  temperature: number
  loss: GrpoLoss | SftLoss
}

/** Sums over the loss tokens of one call, so that micro-batches add up; divide by `tokens` for a mean. */
export interface LossStats {
  loss: number
  tokens: number
  sequences: number
  entropySum: number
  /** tokens that are the likeliest of their distribution */
  likeliest: number
  klSum: number
  /** tokens clipped below (A < 0), above (A > 0) */
  clipLow: number
  clipHigh: number
  ratioSum: number
  ratioMin: number
  ratioMax: number
  /** |logp - oldLogprobs| */
  logpDifferenceSum: number
  logpDifferenceMax: number
}

export interface SampleOptions {
  maxTokens: number
  temperature: number
  /** 0 switches it off */
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  /** a completion ends with, and contains, the first of these */
  stopTokens: number[]
  /** ends once the text contains one of these; needs setVocabulary() */
  stopStrings: string[]
  /** randomness is keyed by (seed, step, prompt key, sample, position), never by the batch layout */
  seed: number
  step: number
}

export interface GenerateRequest extends SampleOptions {
  prompts: Int32Array[]
  /** samples per prompt */
  n: number
  /** the prompt's part of the random key; default: its index */
  promptKeys?: Int32Array
  /** how many of the likeliest tokens are told at each position; default 0 */
  topLogprobs?: number
}

/** Tokens of a call since the last time they were told, in the order they came. */
export interface FreshTokens {
  /** index of each token's completion: prompt * n + sample */
  completion: Int32Array
  ids: Int32Array
  logprobs: Float32Array
  /** (tokens, topLogprobs) */
  topIds: Int32Array
  topLogprobs: Float32Array
}

/** How a generate call is followed, and ended before its time. */
export interface GenerateWatch {
  /** tokens so far, every now and then */
  onProgress?: (tokens: number) => void
  /** as they come; those of the last moment are only in the result */
  onTokens?: (fresh: FreshTokens) => void
  /** ends this call alone: its unfinished completions come back as "cancelled" */
  signal?: AbortSignal
}

export interface Completion {
  prompt: number
  sample: number
  ids: Int32Array
  /** of the sampling policy at `temperature`, before top-k/top-p/min-p: equal to the training forward's, to the bit */
  logprobs: Float32Array
  entropy: Float32Array
  /** (ids.length, topLogprobs), likeliest first */
  topIds?: Int32Array
  topLogprobs?: Float32Array
  finishReason: "stop" | "length" | "cancelled"
}

export interface StepOptions {
  learningRate: number
  weightDecay: number
  adamBeta1: number
  adamBeta2: number
  adamEpsilon: number
  /** global L2 norm; 0 switches clipping off */
  maxGradNorm: number
}

export interface StepResult {
  /** before clipping */
  gradNorm: number
  step: number
}

export type Dtype = "float32" | "bfloat16"

/** Bytes, as planned before anything is allocated. */
export interface MemoryPlan {
  weights: number
  grads: number
  adam: number
  activations: number
  kv: number
  free: number
}

export interface EngineOptions {
  dtype: Dtype
  /** "cpu", "cuda", "cuda:1" */
  device: string
  /** 0: one per core */
  threads: number
  /** false: weights only, no gradients and no optimizer state */
  training: boolean
  /** most tokens of one forward-backward call; a larger forest is refused with the number that fits */
  maxBatchTokens: number
  /** recompute activations in the backward pass instead of keeping them */
  gradientCheckpointing: boolean
  /** most rows decoded at once */
  maxDecodeRows: number
  /** bytes the engine may use; 0: what the machine has free */
  memoryLimit: number
  /** train adapters beside the linear layers, and leave the model's own weights as they are; absent: train those */
  lora?: LoraOptions
}

/** y = x W^T + scale (x A^T) B^T, scale = alpha / rank, or alpha / sqrt(rank) with rslora. */
export interface LoraOptions {
  rank: number
  alpha: number
  /** share of what A reads that is left out in train(), and only there */
  dropout: number
  rslora: boolean
  /** q_proj k_proj v_proj o_proj gate_proj up_proj down_proj */
  targetModules: string[]
  /** of A's first values and of the dropout */
  seed: number
  /** what adapter_config.json calls the model; default: the folder it was opened from */
  base?: string
}

export interface EngineStats {
  device: string
  isa: string
  threads: number
  parameters: number
  /** of them, or of its adapters: what steps move */
  trainedParameters: number
  dtype: Dtype
  optimizerStep: number
  plan: MemoryPlan
  /** most memory held at once: of the process, or on a GPU of the engine's arrays there */
  peakBytes: number
}

/** RePro: the surrogate J at each point of each thought, the baseline first. R thoughts, N points in all. */
export interface ReproRequest {
  /** (N) mean log-probability of the answer at each point */
  surrogate: Float32Array
  /** (R + 1) where each thought's points begin */
  begin: Int32Array
  /** w of S = (1 - w) * magnitude + w * stability */
  stabilityWeight: number
  /** weight of the newest value in the exponential smoothing of J before the stability score; 1 switches it off */
  emaWeight: number
  /** r_1 = S_1 as published, or S_1 - S_0 */
  firstReward: "score" | "difference"
}

/** One value per point; 0 at each baseline, which earns nothing. */
export interface ReproScores {
  magnitude: Float32Array
  stability: Float32Array
  score: Float32Array
  reward: Float32Array
}

/**
 * The verbs. Every one is a promise; calls run in order on the engine's own thread. Only generate, logprobs and stats that
 * follow a generate call join it: they are batched with its rows or answered between two of its tokens, with the same bits.
 */
export interface Engine {
  readonly config: ModelConfig
  generate(
    request: GenerateRequest,
    watch?: GenerateWatch | ((tokens: number) => void),
  ): Promise<Completion[]>
  /** ends every generate call in flight; their unfinished completions come back as "cancelled" */
  cancel(): void
  /** `mask` (T): score only these tokens, NaN elsewhere; `reference`: with the weights kept by freeze() */
  logprobs(
    forest: Forest,
    options?: { mask?: Uint8Array; temperature?: number; reference?: boolean; topLogprobs?: number },
  ): Promise<Scores>
  /** forward, loss and backward in one; gradients add up until step() */
  train(batch: TrainBatch): Promise<LossStats>
  /** magnitude, stability, score and step reward of each point (RePro, arXiv 2512.01925) */
  reproScore(request: ReproRequest): Promise<ReproScores>
  /** clip, AdamW, zero the gradients */
  step(options: StepOptions): Promise<StepResult>
  /** keep a frozen copy of the weights, or of those in a folder or .safetensors file, as the reference policy; with LoRA
   *  there is nothing to keep: the reference is the model with its adapters off */
  freeze(from?: string): Promise<void>
  /** reference = (1 - share) * reference + share * policy */
  syncReference(share: number): Promise<void>
  saveReference(file: string): Promise<void>
  /** byte text of each token, for stop strings */
  setVocabulary(bytes: Uint8Array[]): Promise<void>
  /** config.json and model.safetensors, written aside and renamed; with LoRA the adapters alone, in PEFT's format */
  save(dir: string): Promise<void>
  /** a plain model folder: the weights with the adapters added to them */
  merge(dir: string): Promise<void>
  /** adapters of the same shape, as save() or PEFT wrote them */
  loadAdapter(dir: string): Promise<void>
  /** optimizer moments and step counter */
  saveOptimizer(file: string): Promise<void>
  loadOptimizer(file: string): Promise<void>
  stats(): Promise<EngineStats>
  dispose(): Promise<void>
}

/** A Hugging Face config.json, read and checked: only what the engine computes with. */
export interface ModelConfig {
  architecture: "Qwen2ForCausalLM" | "Qwen3ForCausalLM" | "LlamaForCausalLM" | "MistralForCausalLM"
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  rmsNormEps: number
  ropeTheta: number
  ropeScaling:
    | { type: "default" }
    | { type: "linear"; factor: number }
    | {
        type: "llama3"
        factor: number
        lowFreqFactor: number
        highFreqFactor: number
        originalMaxPositionEmbeddings: number
      }
  maxPositionEmbeddings: number
  tieWordEmbeddings: boolean
  qkvBias: boolean
  outputBias: boolean
  mlpBias: boolean
  qkNorm: boolean
  initializerRange: number
  bosTokenId: number | null
  eosTokenIds: number[]
}
