// The engine at the start of RL: opened from a folder or made from a config, warmed up, or resumed.
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { cp, mkdir, readFile, rm } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import {
  createEngine,
  type Engine,
  type EngineOptions,
  type LoraOptions,
  type MemoryPlan,
  openEngine,
  parseConfig,
  planMemory,
  readConfig,
  targetModules,
} from "@rectify/engine"
import { publish, referenceFile } from "./checkpoint.ts"
import type { Inputs, ModelSource } from "./inputs.ts"
import type { Recipe } from "./recipe.ts"
import type { Run } from "./run.ts"
import { warmStart } from "./warm-start.ts"

export type OpenEngine = (source: ModelSource, options: EngineOptions) => Promise<Engine>

/** A folder is opened as it is; a config becomes a model with weights drawn from its seed. */
export const openModel: OpenEngine = (source, options) =>
  "dir" in source
    ? openEngine(source.dir, options)
    : createEngine(parseConfig(source.config, "model"), source.seed, options)

export interface Planned {
  plan: MemoryPlan
  /** why it could not run on this machine; null: it fits */
  shortage: string | null
}

/** What a run would need, without opening anything large, whether this machine has it or not. */
export function planOf(recipe: Recipe, source: ModelSource): Planned {
  const config = "dir" in source ? readConfig(source.dir).config : parseConfig(source.config, "model")
  const options = engineOptions(recipe)
  // On a machine without end only what is wrong with the recipe itself can fail.
  const endless = planMemory(config, { ...options, memoryLimit: 2 ** 50 })
  try {
    return { plan: planMemory(config, options), shortage: null }
  } catch (error) {
    return { plan: { ...endless, free: 0 }, shortage: (error as Error).message }
  }
}

export function engineOptions({ keys }: Recipe): EngineOptions {
  return {
    dtype: keys.dtype,
    device: keys.device,
    threads: keys.threads,
    training: true,
    maxBatchTokens: keys.max_batch_tokens,
    gradientCheckpointing: keys.gradient_checkpointing,
    maxDecodeRows: keys.max_decode_rows,
    memoryLimit: keys.memory_limit,
    ...(keys.use_peft && { lora: loraOptions(keys) }),
  }
}

const loraOptions = (keys: Recipe["keys"]): LoraOptions => ({
  rank: keys.lora_r,
  alpha: keys.lora_alpha,
  dropout: keys.lora_dropout ?? 0,
  rslora: keys.use_rslora,
  targetModules: targetModules(keys.lora_target_modules, "lora_target_modules"),
  seed: keys.seed,
})

export interface Policy {
  engine: Engine
  /** the folder of its warm start, when it is that and nothing more */
  warmed: string | null
}

/** Undefined when it was interrupted during the warm start, between whose updates `heed` is awaited. */
export async function openPolicy(
  run: Run,
  inputs: Inputs,
  open: OpenEngine,
  heed: () => Promise<void> = async () => {},
): Promise<Policy | undefined> {
  const { recipe, checkpoint } = run
  const { warm_start, use_peft } = recipe.keys
  const openAt = async (source: ModelSource, options = engineOptions(recipe)) => {
    const engine = await open(source, options)
    await engine.setVocabulary(inputs.tokenizer.vocabulary(engine.config.vocabSize))
    return engine
  }
  let engine: Engine
  let from: string | null = null
  if (checkpoint) {
    engine = await (use_peft ? openAdapted(run, inputs, openAt) : openAt({ dir: checkpoint.dir }))
    await run.started(engine)
    if (use_peft) await engine.loadAdapter(checkpoint.dir)
    await engine.loadOptimizer(checkpoint.optimizer)
  } else if (warm_start) {
    engine = await openAt(inputs.source, { ...engineOptions(recipe), lora: undefined })
    await run.started(engine)
    const dir = await warmed(run, inputs, engine, heed).finally(engine.dispose.bind(engine))
    if (!dir) return undefined
    if (use_peft) await cp(dir, baseDir(run), { recursive: true })
    engine = await (use_peft ? openAdapted(run, inputs, openAt) : openAt({ dir }))
    from = dir
  } else {
    engine = await (use_peft ? openAdapted(run, inputs, openAt) : openAt(inputs.source))
    await run.started(engine)
  }
  if (recipe.loss.beta > 0 && !use_peft) await keepReference(run, engine)
  return { engine, warmed: from }
}

const baseDir = (run: Run) => join(run.dir, "base")

/** Adapters need a base that stays: the folder the user named, or, of a model that the run itself made, a copy of its own. */
async function openAdapted(
  run: Run,
  { source, tokenizer }: Inputs,
  openAt: (source: ModelSource, options?: EngineOptions) => Promise<Engine>,
): Promise<Engine> {
  const options = engineOptions(run.recipe)
  const { model_name_or_path } = run.recipe.keys
  const own = baseDir(run)
  if ("dir" in source && !run.recipe.keys.warm_start) {
    const base = existsSync(model_name_or_path!) ? resolve(source.dir) : model_name_or_path!
    return openAt(source, { ...options, lora: { ...options.lora!, base } })
  }
  if (!existsSync(own)) {
    const made = await openAt(source)
    const aside = `${own}.tmp`
    await made
      .merge(aside) // its adapters are still nothing
      .then(() => tokenizer.save(aside))
      .finally(made.dispose.bind(made))
    await publish(aside, own)
  }
  return openAt({ dir: own }, { ...options, lora: { ...options.lora!, base: resolve(own) } })
}

/** A resumed run takes its reference from its checkpoint, where it moves, or from the copy made at its start. */
async function keepReference(run: Run, engine: Engine): Promise<void> {
  const dir = join(run.dir, "reference")
  if (run.checkpoint) {
    const moved = join(run.checkpoint.dir, referenceFile)
    return engine.freeze(existsSync(moved) ? moved : dir)
  }
  await mkdir(dir, { recursive: true })
  await engine.save(dir)
  await engine.freeze()
}

/**
 * The folder of the warmed-up policy, named for everything it depends on. The run opens it whether it was just made or
 * found, so that both begin with the same bits and a fresh optimizer. Undefined: interrupted.
 */
async function warmed(
  run: Run,
  { dataset, tokenizer, source }: Inputs,
  engine: Engine,
  heed: () => Promise<void>,
): Promise<string | undefined> {
  const { recipe, signal } = run
  const warm = recipe.keys.warm_start!
  const steps = warm.stages.reduce((sum, stage) => sum + stage.steps, 0)
  const dir = join(run.runsDir, ".warm-starts", await warmStartHash(recipe, source, engine))
  const tell = (step: number, stage: string, loss: number, rate: number, cached: boolean) =>
    run.tell({ event: "warm_start", step, steps, stage, loss, tokens_per_second: rate, cached })
  if (existsSync(dir)) {
    await tell(steps, "", 0, 0, true)
    return dir
  }
  const started = performance.now()
  let tokens = 0
  const finished = await warmStart(engine, dataset, tokenizer, warm, {
    maxBatchTokens: recipe.keys.max_batch_tokens,
    signal,
    onStep: async (progress) => {
      await heed()
      tokens += progress.tokens
      const rate = tokens / ((performance.now() - started) / 1000)
      if (progress.step % 10 === 0 || progress.step === steps)
        await tell(progress.step, progress.stage, progress.loss, rate, false)
    },
  })
  if (!finished) return undefined
  const aside = `${dir}.${process.pid}.tmp`
  await rm(aside, { recursive: true, force: true })
  await mkdir(aside, { recursive: true })
  await engine.save(aside)
  await tokenizer.save(aside)
  await publish(aside, dir)
  return dir
}

/** Recipe parts, code of the data, of the stage and of the engine, seeds, dtype, processor kind: a change in any makes another folder. */
async function warmStartHash({ keys }: Recipe, source: ModelSource, engine: Engine): Promise<string> {
  const { isa, device } = await engine.stats()
  const hash = createHash("sha256")
  hash.update(
    JSON.stringify({
      warm_start: keys.warm_start,
      dataset: keys.dataset,
      model: keys.model ?? keys.model_name_or_path,
      // of a hub model the commit, since a branch moves
      folder: "dir" in source ? basename(source.dir) : null,
      seeds: [keys.seed, keys.data_seed],
      dtype: keys.dtype,
      max_batch_tokens: keys.max_batch_tokens,
      isa,
      device: device.replace(/:\d+$/, ""),
    }),
  )
  for (const file of sourcesOfWarmStart()) hash.update(await readFile(file))
  return hash.digest("hex").slice(0, 16)
}

function sourcesOfWarmStart(): string[] {
  const packages = join(import.meta.dir, "../..")
  const data = [...new Bun.Glob("{data,rewards}/src/**/*.ts").scanSync({ cwd: packages })].sort()
  const addon = join(packages, "../build/Release/rectify.node")
  const stage = ["warm-start.ts", "supervised/learn.ts", "supervised/rows.ts"].map((file) =>
    join(import.meta.dir, file),
  )
  return [...data.map((file) => join(packages, file)), ...stage, addon].filter(existsSync)
}
