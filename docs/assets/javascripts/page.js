// Let the keyboard reach what scrolls sideways, at every width. Runs on every page the theme shows.
const scrolls = ".katex-display, .md-typeset__scrollwrap, .jp-OutputArea-output, pre, pre > code, .tabbed-labels, .doc-signature"

document$.subscribe(({ body }) => {
  const mark = element => {
    if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0
    else element.removeAttribute("tabindex")
  }
  const watch = new ResizeObserver(entries => entries.forEach(entry => mark(entry.target)))
  for (const element of body.querySelectorAll(scrolls)) watch.observe(element)
})
