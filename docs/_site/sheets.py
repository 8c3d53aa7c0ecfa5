"""Of a large stylesheet, the rules that a page can use: a notebook comes with 600 kB for all that notebooks can hold.

A rule is kept if the page has every class and every id that one of its selectors names. Custom properties that nothing
reads go, and animations that nothing plays.
"""

import re

import tinycss2
from bs4 import BeautifulSoup

NAMED = re.compile(r"([.#])((?:\\.|[\w-])+)")
NOT_NAMED = re.compile(r"\[[^\]]*\]|:not\([^)]*\)")
COMMA = re.compile(r",(?![^(\[]*[)\]])")
READ = re.compile(r"var\(\s*(--[\w-]+)")
SET = re.compile(r"(--[\w-]+)\s*:")


def used(css: str, html: str) -> str:
    """The part of a stylesheet that styles a page."""
    soup = BeautifulSoup(html, "html.parser")
    names = {f".{name}" for element in soup.find_all(class_=True) for name in element["class"]}
    names |= {f"#{element['id']}" for element in soup.find_all(id=True)}
    kept = _kept(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), names)
    return _without_unread(kept)


def _kept(rules: list, names: set[str]) -> list[tuple[str, list[str]]]:
    """Selectors and declarations; a rule within @media keeps its condition."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [selector.strip() for selector in COMMA.split(tinycss2.serialize(rule.prelude))]
            selectors = [s for s in selectors if {"".join(n) for n in NAMED.findall(NOT_NAMED.sub("", s))} <= names]
            if selectors:
                kept.append((", ".join(selectors), _declarations(rule.content)))
        elif rule.type == "at-rule" and rule.at_keyword == "media":
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            condition = f"@media {tinycss2.serialize(rule.prelude).strip()}"
            kept += [(f"{condition}|{selector}", texts) for selector, texts in _kept(inner, names)]
        elif rule.type == "at-rule" and rule.at_keyword.endswith("keyframes"):
            kept.append(
                (
                    f"@{rule.at_keyword} {tinycss2.serialize(rule.prelude).strip()}",
                    [tinycss2.serialize(rule.content).strip()],
                )
            )
    return kept


def _declarations(content: list) -> list[str]:
    found = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return [d.serialize().strip() for d in found if d.type == "declaration"]


def _without_unread(rules: list[tuple[str, list[str]]]) -> str:
    while True:
        text = "\n".join(text for _, texts in rules for text in texts)
        read = set(READ.findall(text))
        fewer = [(s, [t for t in texts if not (found := SET.match(t)) or found[1] in read]) for s, texts in rules]
        fewer = [(s, texts) for s, texts in fewer if texts and not _is_still(s, text)]
        if fewer == rules:
            return "\n".join(_rule(selector, texts) for selector, texts in rules) + "\n"
        rules = fewer


def _is_still(selector: str, text: str) -> bool:
    """Whether this is an animation that nothing plays."""
    return "keyframes" in selector and not re.search(rf"\b{re.escape(selector.split()[-1])}\b", text)


def _rule(selector: str, texts: list[str]) -> str:
    condition, _, inner = selector.rpartition("|") if selector.startswith("@media") else ("", "", selector)
    rule = f"{inner} {{ {'' if 'keyframes' in inner else '; '.join(texts)}{texts[0] if 'keyframes' in inner else ''} }}"
    return f"{condition} {{ {rule} }}" if condition else rule
