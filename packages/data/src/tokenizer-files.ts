// The files of a tokenizer in a model folder, read whole and written back as they were.
import { existsSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"

/** Parsed JSON of tokenizer.json: only what is looked at here. */
export interface TokenizerJson {
  added_tokens?: { id: number; content: string; special?: boolean }[]
  decoder?: unknown
  model?: { type?: string; vocab?: unknown; unk_token?: string | null }
}

export interface TokenizerConfig {
  [key: string]: unknown
  chat_template?: unknown
}

export interface TokenizerFiles {
  /** verbatim text by file name */
  text: Record<string, string>
  tokenizer: TokenizerJson
  config: TokenizerConfig
  generation: { eos_token_id?: number | number[] | null; pad_token_id?: number | null }
  chatTemplate: string | null
}

const optional = ["tokenizer_config.json", "generation_config.json", "chat_template.jinja"]

function parse<T>(path: string, text: string | undefined, fallback: T): T {
  if (text === undefined) return fallback
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${path}: expected JSON, got ${(error as Error).message}`, { cause: error })
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${path}: expected a JSON object, got ${JSON.stringify(value).slice(0, 40)}`)
  return value as T
}

function templateOf(config: TokenizerConfig, file: string | undefined): string | null {
  if (file !== undefined) return file
  const { chat_template: given } = config
  if (typeof given === "string") return given
  if (!Array.isArray(given)) return null
  const named = given as { name: string; template: string }[]
  return (named.find(({ name }) => name === "default") ?? named[0])?.template ?? null
}

/** `where` is named in errors. */
export function readTokenizerFiles(where: string, text: Record<string, string>): TokenizerFiles {
  const config = parse<TokenizerConfig>(
    join(where, "tokenizer_config.json"),
    text["tokenizer_config.json"],
    {},
  )
  return {
    text,
    tokenizer: parse<TokenizerJson>(join(where, "tokenizer.json"), text["tokenizer.json"], {}),
    config,
    generation: parse(join(where, "generation_config.json"), text["generation_config.json"], {}),
    chatTemplate: templateOf(config, text["chat_template.jinja"]),
  }
}

export async function loadTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  if (!existsSync(join(dir, "tokenizer.json")))
    throw new Error(
      `tokenizer: expected ${join(dir, "tokenizer.json")}, which is not there; ` +
        "a folder with only vocab or sentencepiece files: load it once with transformers' AutoTokenizer and save_pretrained it",
    )
  const text: Record<string, string> = {}
  for (const name of ["tokenizer.json", ...optional]) {
    const file = Bun.file(join(dir, name))
    if (await file.exists()) text[name] = await file.text()
  }
  return readTokenizerFiles(dir, text)
}

export async function saveTokenizerFiles(files: TokenizerFiles, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  for (const [name, text] of Object.entries(files.text)) await Bun.write(join(dir, name), text)
}
