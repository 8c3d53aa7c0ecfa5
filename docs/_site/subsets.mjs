// Writes parts of typefaces as WOFF2: reads JSON, a list of {from, to, text, axes, noHinting}.
import { readFile, writeFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import subsetFont from "subset-font"

for (const { from, to, text: letters, axes, noHinting } of JSON.parse(await text(process.stdin))) {
  const options = { targetFormat: "woff2", noHinting, ...(axes && { variationAxes: axes }) }
  await writeFile(to, await subsetFont(await readFile(from), letters, options))
}
