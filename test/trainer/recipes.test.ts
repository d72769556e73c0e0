// The recipes that come with the repository can be read, and say what they are meant to.
import { expect, test } from "bun:test"
import { join } from "node:path"
import { loadRecipe } from "../../packages/trainer/src/recipe.ts"

const folder = join(import.meta.dir, "../../recipes")
const names = [...new Bun.Glob("*.yaml").scanSync({ cwd: folder })].sort()

test.each(names)("%s", async (name) => {
  expect((await loadRecipe(join(folder, name))).name).toBe(name.replace(".yaml", ""))
})

test("quickstart is RePro, and plain GRPO or its control by one flag", async () => {
  const file = join(folder, "quickstart.yaml")
  expect((await loadRecipe(file)).advantage.name).toBe("repro_grpo")
  expect((await loadRecipe(file, [["process", "none"]])).advantage.name).toBe("grpo")
  const control = await loadRecipe(file, [
    ["process", "none"],
    ["length_penalty", "0.5"],
  ])
  expect(control.rewards.at(-1)).toEqual({ name: "length_penalty", weight: 0.5 })
})

test("repro-deepscaler-1.5b has the published hyperparameters", async () => {
  const recipe = await loadRecipe(join(folder, "repro-deepscaler-1.5b.yaml"))
  expect(recipe.arithmetic).toBe("256 prompts x 8 samples = 2048 sequences -> 1 update of 2048")
  expect(recipe.process).toMatchObject({
    repro_alpha: 0.05,
    num_forking_token: 20,
    delimiter: "\n\n",
    answer_template: "\\boxed{{answer}}",
  })
  expect(recipe.loss).toMatchObject({ epsilon: 0.2, epsilonHigh: 0.28, beta: 0.001, kl: "k3" })
})
