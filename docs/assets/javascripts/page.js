// Set the mathematics; let the keyboard reach what scrolls sideways. Runs on every page the theme shows.
const pair = (left, right, display) => ({ left, right, display })
const written = [pair("\\(", "\\)", false), pair("\\[", "\\]", true)] // by Markdown, in elements of their own
const dollars = [pair("$$", "$$", true), pair("$", "$", false), ...written] // in the text cells of notebooks

document$.subscribe(({ body }) => {
  for (const element of body.querySelectorAll(".arithmatex"))
    renderMathInElement(element, { delimiters: written, throwOnError: false })
  for (const element of body.querySelectorAll(".jp-MarkdownOutput"))
    renderMathInElement(element, { delimiters: dollars, throwOnError: false })

  // What a line measures is known once the fonts are there.
  document.fonts.ready.then(() => {
    for (const element of body.querySelectorAll(".katex-display, .md-typeset__scrollwrap, .jp-OutputArea-output, pre"))
      if (element.scrollWidth > element.clientWidth) element.tabIndex = 0
  })
})
