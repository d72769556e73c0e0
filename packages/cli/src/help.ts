// The texts of --help: what there is, what it does, and lines to copy.
import type { Command, Flags } from "./command.ts"
import { commonFlags } from "./command.ts"

export const PROGRAM = "bun run"

export function helpFor(name: string, command: Command): string {
  const parts = [
    `${command.summary}\n`,
    `  ${PROGRAM} ${name} ${command.usage}\n`,
    command.about.trim(),
    "",
    flagsText(command.flags, "Flags"),
    flagsText(commonFlags, "As every command"),
    "Examples",
    ...command.examples.flatMap(([line, meaning]) => [`  ${PROGRAM} ${line}`, `      ${meaning}`]),
    "",
    "Exits with 0 done, 1 failed, 2 not understood, 130 interrupted with everything saved.",
  ]
  return parts.filter((part) => part !== undefined).join("\n")
}

export function helpForAll(commands: [string, Command][]): string {
  const width = Math.max(...commands.map(([name]) => name.length))
  return [
    "Rectify trains reasoning language models by reinforcement learning, on this machine.\n",
    `  ${PROGRAM} train          the embedded default: a small policy learns to add, and to stop doubting\n`,
    "Commands",
    ...commands.map(([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`),
    "",
    `\`${PROGRAM} train --help\` teaches one command; \`--json\` makes any of them speak to machines.`,
  ].join("\n")
}

function flagsText(flags: Flags, title: string): string | undefined {
  const names = Object.entries(flags)
  if (names.length === 0) return undefined
  const heads = names.map(
    ([name, flag]) => `--${name}${flag.type === "boolean" ? "" : ` ${flag.value ?? "VALUE"}`}`,
  )
  const width = Math.max(...heads.map((head) => head.length))
  const lines = names.map(([, flag], i) => `  ${heads[i]!.padEnd(width)}  ${flag.help}`)
  return `${title}\n${lines.join("\n")}\n`
}
