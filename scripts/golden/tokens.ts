// Writes the tokenizer of column addition to test/golden/tokenizers/words, for tokens.py to read.
import { join } from "node:path"
import { openDataset } from "@rectify/data"

const dataset = await openDataset("column-addition")
await dataset.tokenizer!().save(join(import.meta.dir, "../../test/golden/tokenizers/words"))
