"""What the search reads of a page: words, not markup."""

import pytest

search = pytest.importorskip("search", reason="the site's own packages: the group `docs`")
from plain import plain  # noqa: E402


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V", "softmax ((Q Kᵀ)/√d_k) V"),
        (r"\frac{1}{2}", "1/2"),
        (r"\alpha_{ij} \le 1, \quad x \in \mathbb{R}^{n \times d}", "α_ij ≤ 1, x ∈ R^(n × d)"),  # noqa: RUF001
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a = b; c = d"),
        (r"\{1, \dots, n\}", "{1, …, n}"),
        (r"\underbrace{p(x)}_{\text{Markov}}", "p(x)_Markov"),
        (r"\frac{\sum_{j} \frac{a_j}{b}}{\sqrt{\mathrm{var}(x)}}", "(∑_j a_j/b)/(√(var(x)))"),
    ],
)
def test_an_equation_reads_as_text(tex, text):
    assert plain(tex) == text


@pytest.mark.parametrize(
    ("html", "wanted", "unwanted"),
    [
        (r'<p>Scores <span class="arithmatex">\(q \cdot k\)</span>.</p>', "Scores q · k.", "\\"),
        (r'<div class="arithmatex">\[\sqrt{d_k}\]</div>', "√d_k", "sqrt"),
        (r'<p><span class="katex"><math><mi>h</mi><annotation encoding="application/x-tex">h_t</annotation></math>'
         "<span>ht</span></span></p>", "<p>h_t</p>", "ht<"),
        ("<p>It costs $O(n^2)$.</p><pre><code>$ pip install</code></pre>", "It costs O(n^2).", "$O"),
        ("<pre><code>$ pip install</code></pre>", "$ pip install", "zzz"),
        ('<h2 id="a">Cost<a class="headerlink" href="#a">#</a></h2>', "Cost</h2>", "#</a>"),
        ("<button>Copy</button><svg><text>0.5</text></svg><p>Text</p>", "<p>Text</p>", "0.5"),
        ('<h2>Data<a class="anchor-link">¶</a></h2><div class="clipboard-copy-txt">x = 1</div>', "Data</h2>", "x = 1"),
        ('<div class="source highlight"><pre>def f</pre></div><p>Text</p>', "Text", "def f"),
        ("<table><tr><td>d_k</td><td>size</td></tr></table>", "d_k </td>", "zzz"),
    ],
)  # fmt: skip
def test_the_search_reads_text(html, wanted, unwanted):
    read = search.text(html)
    assert wanted in read
    assert unwanted not in read


def test_the_parts_of_a_name_are_words_and_those_of_nan_are_not():
    parts = {
        name: search.PARTS.split(name) for name in ("MultiHeadAttention", "LuongAttention", "NaN", "RoPE", "PyTorch")
    }
    assert parts == {
        "MultiHeadAttention": ["Multi", "Head", "Attention"],
        "LuongAttention": ["Luong", "Attention"],
        "NaN": ["NaN"],
        "RoPE": ["RoPE"],
        "PyTorch": ["PyTorch"],
    }


GLOSSARY = """
| English | 한국어 | 페이지 |
|---|---|---|
| hidden state | 은닉 상태 | [RNN](../sequence/rnn.md) |
| causal mask | 인과 마스크 (미래 마스크) | [Masks](../attention/masks.md#causal) |
| mask | 마스크 | [Masks](../attention/masks.md) |
"""


def test_a_term_in_korean_leads_to_what_explains_it():
    assert search.terms(GLOSSARY) == {
        "은닉 상태": {"sequence/rnn/"},
        "인과 마스크": {"attention/masks/#causal"},
        "미래 마스크": {"attention/masks/#causal"},
        "마스크": {"attention/masks/"},
    }


def test_korean_words_find_both_spellings_and_the_page_in_english(tmp_path):
    (tmp_path / "terms.md").write_text(GLOSSARY, encoding="utf-8")
    entries = [
        {"location": "ko/notes/n3/#rnn", "title": "RNN", "text": "과거를 요약하는 은닉 상태를 둔다."},
        {"location": "sequence/rnn/", "title": "RNN", "text": "A hidden state."},
        {"location": "attention/masks/#causal", "title": "Causal", "text": "No future."},
        {"location": "attention/cost/", "title": "Cost", "text": "Quadratic."},
    ]
    search.add_korean(entries, tmp_path / "terms.md")
    assert [entry.get("korean") for entry in entries] == [
        "은닉상태",
        "은닉 상태, 은닉상태",
        "미래 마스크, 미래마스크, 인과 마스크, 인과마스크",
        None,
    ]
