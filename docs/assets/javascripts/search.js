// The search as its reader needs it: the index and the worker are fetched when it is opened, not with every page, and a
// question is reduced to the words that tell pages apart. Runs before the theme's script, which would fetch both at once.
if (location.protocol != "file:") { // from where no page may fetch
  const opening = ["q", "h"] // in an address: a query to begin with, words to highlight
  const small = new Set(
    `a an and are as at be by can did do does for from had has have how i if in into is it its me my of on or our should so
    than that the their them then there these they this to use used using was we were what when where which who why will
    with would you your`.split(/\s+/)
  )
  const plurals = [/^(\w{3,})ies$/i, /^(\w{2,}(?:ss|x|ch|sh))es$/i, /^(\w{2,}[a-rt-z])s$/i]
  // What follows a noun in Korean, or a name in Latin letters: particles, and the verb that makes one of it. A syllable
  // alone may be a word that ends like one, so only the plainest are taken from it.
  const particles =
    "이?란|에서는?|으?로는?|에는|까지|부터|처럼|보다|마다|에게|이나|하는|하기|한다|하다|된다|되는|들[은을의이]?|[은는이가을를의에로와과도만]"
  const particle = new RegExp(`^([가-힣]{2,}?|[a-z0-9]{2,}?)(?:${particles})$|^([가-힣])[은는을를]$`, "i")
  const asking = /^(?:무엇|무엇인가요?|뭐야|뭔가요|왜|어떻게|하나요|인가요|대해)$/

  const opened = new Promise(open => {
    const { searchParams } = new URL(location)
    if (opening.some(name => searchParams.has(name))) open()
    addEventListener("change", ({ target }) => target.id == "__search" && open())
  })

  // A word is found by its beginning, so the singular finds the plural too, and a noun finds it with any particle.
  const singular = word => plurals.reduce((short, ending) => short.replace(ending, "$1"), word.replace(particle, "$1$2"))
  // Of d_k or DALL-E, a letter alone is that letter, not the beginning of any word.
  const letters = word => word.split(/[_-]/).map((part, _, all) => (all[1] && /^[a-z]$/i.test(part) ? `${part}^1` : part)).join(" ")
  const asked = query => {
    if (/["*~^:]|(^|\s)[+-]/.test(query)) return query // in the language of the search itself
    const words = query.split(/[\s?!]+/).filter(Boolean)
    const telling = words.filter(word => !small.has(word.toLowerCase()) && !asking.test(word))
    return (telling.length ? telling : words).map(singular).map(letters).join(" ")
  }

  const { Worker, XMLHttpRequest } = window

  // Stands for the theme's worker until the search is opened.
  class Reader extends EventTarget {
    constructor(url) {
      super()
      this.worker = opened.then(() => {
        const worker = new Worker(url)
        worker.onmessage = ({ data }) => {
          // What scores less than its page is folded away: the best section of each page shows.
          for (const [first, second] of data.data?.items ?? [])
            if (second && !first.location.includes("#")) first.score = second.score
          this.dispatchEvent(new MessageEvent("message", { data }))
        }
        return worker
      })
    }
    postMessage({ type, data }) {
      const message = { type, data: typeof data == "string" ? asked(data) : data }
      this.worker.then(worker => worker.postMessage(message))
    }
  }

  window.Worker = function (url, options) {
    return /\/workers\/search\./.test(url) ? new Reader(url) : new Worker(url, options)
  }
  window.XMLHttpRequest = class extends XMLHttpRequest {
    open(method, url, ...rest) {
      this.waits = /\/search\/search_index\.json$/.test(url)
      super.open(method, url, ...rest)
    }
    send(...body) {
      this.waits ? opened.then(() => super.send(...body)) : super.send(...body)
    }
  }
}
