// The 38 words of column addition, in the order of their token ids.
import { places } from "./problem.ts"
import { checkPhrase, redoPhrase } from "./thought.ts"

const phrases = `${checkPhrase} ${redoPhrase}`.split(" ")

/** Without the special tokens <unk>, <pad> and <eos>, which come first. */
export const words: string[] = [
  ...new Set([
    ..."<|user|> <|assistant|> <think> </think> 0 1 2 3 4 5 6 7 8 9 + = ?".split(" "),
    ...places,
    ...phrases,
  ]),
]
