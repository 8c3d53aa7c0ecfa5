// What a stylesheet cannot do alone: let the keyboard reach what scrolls sideways, at every width, and unfold what is
// printed. Runs on every page the theme shows.
const korean = document.documentElement.lang == "ko"
const names = {
  ".katex-display": korean ? "수식" : "Equation",
  ".md-typeset__scrollwrap": korean ? "표" : "Table",
  ".jp-OutputArea-output, .highlight-ipynb": "Cell of the notebook",
  "pre, pre > code": korean ? "코드" : "Code",
}

function mark(element) {
  if (element.scrollWidth > element.clientWidth + 1) {
    element.tabIndex = 0
    element.setAttribute("role", "group")
    element.ariaLabel = Object.entries(names).find(([selector]) => element.matches(selector))[1]
  } else for (const name of ["tabindex", "role", "aria-label"]) element.removeAttribute(name)
}

document$.subscribe(({ body }) => {
  const sizes = new ResizeObserver(entries => entries.forEach(entry => mark(entry.target)))
  const wide = body.querySelectorAll(Object.keys(names))
  wide.forEach(element => sizes.observe(element))
  document.fonts.ready.then(() => wide.forEach(mark)) // what a line measures is known once its letters are there
})

let folded = []
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")]
  for (const element of folded) element.open = true
})
addEventListener("afterprint", () => {
  for (const element of folded) element.open = false
})
