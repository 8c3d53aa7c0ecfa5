// Sets equations: reads lines of JSON, [text, display], and answers each with a line, {html} or {error}.
import { createInterface } from "node:readline"
import katex from "katex"

for await (const line of createInterface({ input: process.stdin })) {
  const [text, displayMode] = JSON.parse(line)
  let answer
  try {
    answer = { html: katex.renderToString(text, { displayMode, output: "htmlAndMathml", strict: "error" }) }
  } catch (error) {
    answer = { error: error.message }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
