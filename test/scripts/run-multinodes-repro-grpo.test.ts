// The authors' launch line: what it passes on, and what it refuses rather than ignores.
import { expect, test } from "bun:test"
import { join } from "node:path"

const script = join(import.meta.dir, "../../scripts/run_multinodes_repro_grpo.sh")

function launch(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([script, ...args], {
    env: { ...process.env, BUN: "echo" },
  })
  return { code: exitCode, out: stdout.toString().trim(), err: stderr.toString() }
}

test("one node, one device: the recipe with the model and the name", () => {
  expect(launch("/m", "1", "1", "1", "0.8", "mine", "--seed", "3")).toMatchObject({
    code: 0,
    out: "run train recipes/repro-deepscaler-1.5b.yaml --model_name_or_path /m --run_name mine --device cuda --seed 3",
  })
  expect(launch("/m", "1", "0", "1", "0.8", "mine").out).toEndWith("--device cpu")
})

test.each([
  [["/m", "4", "8", "1", "0.8", "x"], "NUM_NODES: not yet"],
  [["/m", "1", "1", "2", "0.8", "x"], "TP_SIZE: not yet"],
  [["/m", "1", "8", "1", "0.8", "x"], "GPUS_PER_NODE: not yet"],
  [["/m", "one", "1", "1", "0.8", "x"], "NUM_NODES: expected a whole number, got one"],
  [["/m", "1", "1", "1", "80", "x"], "VLLM_GPU_UTIL: expected a share"],
  [["/m", "1"], "got 2 arguments"],
])("%j is refused", (args, message) => {
  const { code, err } = launch(...args)
  expect(code).toBe(2)
  expect(err).toContain(message)
})
