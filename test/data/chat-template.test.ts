// Chat templates: variables, special tokens, and errors that say where they come from.
import { expect, test } from "bun:test"
import { ChatTemplate } from "@rectify/data"

const hello = [{ role: "user", content: "hello" }]

test("special tokens and variables are in scope", () => {
  const template = new ChatTemplate("{{ bos_token }}{{ messages[0].content }}{% if loud %}!{% endif %}", {
    bos_token: "<s>",
  })
  expect(template.render(hello)).toBe("<s>hello")
  expect(template.render(hello, { variables: { loud: true } })).toBe("<s>hello!")
})

test("the generation prompt is asked for unless said otherwise", () => {
  const template = new ChatTemplate("{% if add_generation_prompt %}assistant:{% endif %}", {})
  expect(template.render(hello)).toBe("assistant:")
  expect(template.render(hello, { addGenerationPrompt: false })).toBe("")
})

test("a template that cannot be read or rendered says so", () => {
  expect(() => new ChatTemplate("{% if %}", {})).toThrow("chat template: could not be read: ")
  const strict = new ChatTemplate("{{ raise_exception('roles must alternate') }}", {})
  expect(() => strict.render(hello)).toThrow(/could not render 1 messages: .*roles must alternate/)
})
