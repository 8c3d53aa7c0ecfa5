// The page knows where it was read from, and so where the wheel is.
document$.subscribe(({ body }) => {
  const address = new URL(`${JSON.parse(document.getElementById("__config").textContent).base}/`, location).href
  const replace = node => {
    for (const child of node.childNodes)
      if (child.nodeType == Node.TEXT_NODE) child.data = child.data.replaceAll("https://ADDRESS/", address)
      else replace(child)
  }
  for (const code of body.querySelectorAll("pre > code")) if (code.textContent.includes("https://ADDRESS/")) replace(code)
})

// Copy buttons. Of a snippet, the large one gives what runs alone: the statements that it needs from earlier on the page
// stand above it. The small one gives the snippet by itself. The texts were made with the site (docs/_site/copies.py).
const labels = {
  en: { whole: "Copy, with what it needs from earlier on the page", plain: "Copy", alone: "Copy this snippet alone", caption: "alone" },
  ko: { whole: "앞에서 필요한 것까지 함께 복사", plain: "복사", alone: "이것만 복사", caption: "이것만" },
}

function button(text, title, caption) {
  const made = document.createElement("button")
  made.className = caption ? "md-code__button copy-alone" : "md-code__button"
  made.type = "button"
  made.title = title
  made.setAttribute("aria-label", title)
  made.dataset.clipboardText = text // the theme listens to this, and says that it has copied
  if (caption) made.textContent = caption
  else made.dataset.mdType = "copy"
  return made
}

// Of a console, what stands behind the prompts; of anything else, all of it.
function typed(code) {
  const lines = [...code.querySelectorAll(":scope > span:has(.gp)")]
  if (!lines.length) return code.textContent
  return lines.map(line => line.textContent.replace(/^\$ /, "")).join("").trimEnd()
}

document$.subscribe(({ body }) => {
  const held = body.querySelector("script[data-copies]")
  const label = labels[document.documentElement.lang] ?? labels.en
  const { earlier, copies } = held ? JSON.parse(held.textContent) : { earlier: [], copies: [] }
  for (const code of body.querySelectorAll(".md-content .highlight > pre > code")) {
    if (code.closest(".doc-signature, .jupyter-wrapper") || code.parentElement.querySelector(".md-code__nav")) continue
    const [needs, alone] = copies[code.closest("[data-copy-number]")?.dataset.copyNumber] ?? [[], typed(code)]
    const above = needs.map(number => earlier[number]).join("")
    const bar = document.createElement("div")
    bar.className = "md-code__nav"
    if (above) {
      const whole = `# From earlier on this page:\n${above}\n# The snippet:\n${alone}`
      bar.append(button(whole, label.whole), button(alone, label.alone, label.caption))
    } else bar.append(button(alone, label.plain))
    code.before(bar)
  }
})
