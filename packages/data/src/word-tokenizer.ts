// Makes a tokenizer whose tokens are whole words between spaces, as files that transformers loads too.
import { Tokenizer } from "./tokenizer.ts"
import { readTokenizerFiles } from "./tokenizer-files.ts"

const special = { unk_token: "<unk>", pad_token: "<pad>", eos_token: "<eos>" }

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** Ids: <unk> 0, <pad> 1, <eos> 2, then the words in order. */
export function wordTokenizer(words: readonly string[]): Tokenizer {
  const all = [...Object.values(special), ...words]
  const odd = all.find((word, i) => word === "" || /\s/.test(word) || all.indexOf(word) !== i)
  if (odd !== undefined)
    throw new Error(`word tokenizer: expected distinct words without spaces, got ${JSON.stringify(odd)}`)
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Object.values(special).map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(all.map((word, id) => [word, id])),
      unk_token: special.unk_token,
    },
  }
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...special,
    clean_up_tokenization_spaces: false,
    model_max_length: 1_000_000,
  }
  return new Tokenizer(
    readTokenizerFiles("word tokenizer", {
      "tokenizer.json": json(tokenizer),
      "tokenizer_config.json": json(config),
      "generation_config.json": json({ eos_token_id: 2, pad_token_id: 1 }),
    }),
  )
}
