"""The search finds pages by the words that people use, shows text, and costs nothing until it is opened."""

import json
import re
from urllib.parse import urljoin, urlsplit

import pytest

from .conftest import SITE, windows

pytestmark = pytest.mark.browser

# What people type, and the page that must come first.
FIRST = {
    "LSTM": "sequence/lstm/",
    "GRUs": "sequence/gru/",
    "vanishing gradients": "sequence/rnn/",
    "seq2seq": "sequence/seq2seq/",
    "teacher forcing": "sequence/seq2seq/",
    "Markov chain": "sequence/autoregressive/",
    "why": "attention/why/",
    "attention": "attention/why/",
    "Bahdanau": "attention/additive/",
    "luongattention": "attention/luong/",
    "query key value": "attention/queries_keys_values/",
    "scaled_dot_product_attention": "attention/scaled_dot_product/",
    "why is it divided by sqrt d_k": "attention/scaled_dot_product/",
    "self attention": "attention/self_attention/",
    "multiheadattention": "attention/multi_head/",
    "nn.MultiheadAttention": "attention/multi_head/",
    "causal": "attention/masks/",
    "key_padding_mask": "attention/masks/",
    "masks": "attention/masks/",
    "NaN": "attention/masks/",
    "encoder-decoder attention": "attention/cross_attention/",
    "transformer": "transformer/transformer/",
    "attention is all you need": "transformer/transformer/",
    "nn.Transformer": "transformer/transformer/",
    "decoder only": "transformer/transformer/",
    "residual connection": "transformer/blocks/",
    "positional encoding": "transformer/positions/",
    "KV cache": "transformer/decoding/",
    "flash attention": "attention/tiled/",
    "online softmax": "attention/tiled/",
    "how does linear attention work": "attention/linear/",
    "inverted mask": "attention/mistakes_masks/",
    "Hugging Face": "glossary/",
    "heatmap": "api/plot/",
    "pip install": "install/",
}


def typed(page, query: str) -> int:
    """Put a query into the field that is open; how many pages it finds."""
    field, said = page.locator("[data-md-component=search-query]"), page.locator(".md-search-result__meta")
    for text in ("", query):
        field.fill(text)
        field.press("End")  # the search looks at its field when a key is let go
        page.wait_for_function(
            "empty => /^Type/.test(document.querySelector('.md-search-result__meta').textContent.trim()) == empty",
            arg=not text,
        )
    count = said.inner_text().split()[0]
    return 0 if count == "No" else int(count)


@pytest.fixture(scope="module")
def opened(chromium, address):
    with windows(chromium, address) as start:
        page = start().open().page
        page.keyboard.press("/")
        yield page


@pytest.mark.parametrize("query", FIRST)
def test_the_page_that_is_meant_comes_first(opened, address, query):
    assert typed(opened, query)
    first = opened.locator(".md-search-result__link").first.get_attribute("href")
    assert urlsplit(urljoin(address, first)).path.lstrip("/") == FIRST[query]


@pytest.mark.parametrize("query", ["NaN", "RoPE", "NumPy"])
def test_a_word_with_capitals_inside_finds_the_pages_that_have_it_and_no_others(opened, query):
    index = json.loads((SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    separator = re.compile(index["config"]["separator"])
    pages = set()
    for entry in index["docs"]:
        text = re.sub(r"<[^>]+>", " ", f"{entry['title']} {entry['text']}") + f" {entry.get('words', '')}"
        if any(word.lower().startswith(query.lower()) for word in separator.split(text)):
            pages.add(entry["location"].partition("#")[0])
    assert typed(opened, query) == len(pages)


@pytest.mark.parametrize(("query", "words"), [("product", "scaled_dot_product_attention"), ("padding", "padding mask")])
def test_a_word_of_a_name_or_a_heading_finds_it(opened, query, words):
    assert typed(opened, query)
    assert any(words in text.lower() for text in opened.locator(".md-search-result__link").all_inner_texts())


def test_previews_show_text_and_no_mathematics_to_be_set():
    index = json.loads((SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    wrong = []
    for entry in index["docs"]:
        text = re.sub(r"<(pre|code)>.*?</\1>", "", f"{entry['title']} {entry['text']}", flags=re.DOTALL)
        wrong += [(entry["location"], found) for found in re.findall(r".{0,20}(?:\\[a-zA-Z(\[]|\$).{0,20}", text)]
    assert wrong == []


def test_nothing_of_the_search_is_fetched_before_it_is_opened(visit):
    window = visit(width=390).open("attention/masks")
    parts = ("/search/search_index.json", "/workers/search.")
    assert not [url for url in window.requests if any(part in url for part in parts)]
    window.page.locator("label.md-header__button[for=__search]").click()
    assert typed(window.page, "padding")
    for part in parts:
        assert sum(part in url for url in window.requests) == 1
    assert window.complaints == []


def test_a_result_leads_to_its_section_with_the_words_marked(visit):
    page = visit().open().page
    page.keyboard.press("/")
    typed(page, "teacher forcing")
    page.locator(".md-search-result__link[href*='#']").first.click()
    page.wait_for_url("**/sequence/seq2seq/**")
    page.locator("mark[data-md-highlight]").first.wait_for(state="attached")


def test_a_query_in_the_address_opens_the_search(visit, address):
    page = visit().page
    page.goto(f"{address}?q=LSTM")
    link = page.locator(".md-search-result__link").first
    link.wait_for()
    assert "sequence/lstm/" in (link.get_attribute("href") or "")
