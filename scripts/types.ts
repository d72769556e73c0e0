// Writes the addon's TypeScript types, as the addon itself tells them: bun run types.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { addon } from "../packages/engine/src/native.ts"

writeFileSync(join(import.meta.dir, "../packages/engine/src/addon-types.ts"), addon().types())
