// What was typed becomes positionals, flags and overrides; what cannot be is said with the flag's name.
import { expect, test } from "bun:test"
import { parseArgs } from "../../packages/cli/src/args.ts"
import type { Command } from "../../packages/cli/src/command.ts"

const command: Pick<Command, "flags" | "positionals" | "takesOverrides"> = {
  positionals: ["RECIPE"],
  takesOverrides: true,
  flags: {
    steps: { type: "integer", help: "", minimum: 1 },
    output_dir: { type: "string", help: "" },
    "dry-run": { type: "boolean", help: "" },
    rate: { type: "number", help: "" },
  },
}

test("flags with a space, an equals sign, dashes or underscores", () => {
  expect(
    parseArgs(command, ["a.yaml", "--steps", "3", "--output-dir=x", "--dry_run", "--rate=-0.5"]),
  ).toEqual({
    positionals: ["a.yaml"],
    flags: { steps: 3, output_dir: "x", "dry-run": true, rate: -0.5 },
    overrides: [],
  })
  expect(parseArgs(command, ["--dry-run=false", "--", "--odd"])).toEqual({
    positionals: ["--odd"],
    flags: { "dry-run": false },
    overrides: [],
  })
})

test("unknown flags of train are recipe keys, in order", () => {
  expect(
    parseArgs(command, ["--process.repro_alpha", "0.3", "--learning-rate=1e-3", "--log_completions"])
      .overrides,
  ).toEqual([
    ["process.repro_alpha", "0.3"],
    ["learning_rate", "1e-3"],
    ["log_completions", "true"],
  ])
})

test("what cannot be is refused by name", () => {
  const refused = (argv: string[], message: RegExp, strict = false) =>
    expect(() => parseArgs({ ...command, takesOverrides: !strict }, argv)).toThrow(message)
  refused(["--steps", "0"], /--steps: expected a whole number, at least 1, got "0"/)
  refused(["--steps", "1.5"], /--steps: expected a whole number/)
  refused(["--steps"], /--steps: .*got nothing/)
  refused(["--steps", "--json"], /--steps: .*got nothing/)
  refused(["--rate", "fast"], /--rate: expected a number/)
  refused(["--dry-run=maybe"], /--dry-run: expected no value, true or false/)
  refused(["a", "b"], /"b": expected RECIPE, got one word too many/)
  refused(["--stepz", "3"], /--stepz: no such flag; did you mean --steps/, true)
})
