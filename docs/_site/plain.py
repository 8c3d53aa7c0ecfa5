r"""Mathematics as plain text, for where nothing sets it: `\frac{a}{\sqrt{d_k}}` becomes a/√d_k."""
# ruff: noqa: RUF001, SIM905

import re

PAIRS = r"""
alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ lambda λ mu μ nu ν xi ξ pi π rho ρ sigma σ
tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω ell ℓ
partial ∂ nabla ∇ infty ∞ emptyset ∅ cdot · times × odot ⊙ oplus ⊕ otimes ⊗ circ ∘ pm ± ast * star * le ≤ leq ≤ ge ≥
geq ≥ ne ≠ neq ≠ ll ≪ gg ≫ approx ≈ sim ∼ equiv ≡ propto ∝ in ∈ notin ∉ subset ⊂ subseteq ⊆ cup ∪ cap ∩ sum ∑ prod ∏
int ∫ forall ∀ exists ∃ land ∧ lor ∨ mid | vert | to → rightarrow → Rightarrow ⇒ leftarrow ← mapsto ↦ iff ⇔ implies ⇒
dots … ldots … cdots … vdots ⋮ top ᵀ intercal ᵀ prime ′ lVert ‖ rVert ‖ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ langle ⟨
rangle ⟩ colon :
""".split()
NOTHING = "left right big Big bigl bigr Bigl Bigr bigg Bigg displaystyle textstyle limits nolimits hline notag smash"
SIGNS = dict(zip(PAIRS[::2], PAIRS[1::2], strict=True)) | dict.fromkeys([*NOTHING.split(), "quad", "qquad"], " ")

ARGUMENT = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
LETTERS = re.compile(  # commands that only say how their argument looks
    r"\\(?:text\w*|math\w+|operatorname|boldsymbol|bm|tilde|hat|bar|vec|overline|underbrace|over\w+arrow|tag|label)\*?"
    rf"\s*{ARGUMENT}"
)
FRACTION = re.compile(rf"\\[dt]?frac\s*{ARGUMENT}\s*{ARGUMENT}")
ROOT = re.compile(rf"\\sqrt\s*{ARGUMENT}")
SCRIPT = re.compile(rf"([_^]){ARGUMENT}")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\*?\}(?:\{[lcr|]+\})?")
COMMAND = re.compile(r"\\([A-Za-z]+)")
WRITTEN = re.compile(r"\\([{}%$#_&])")


def plain(tex: str) -> str:
    """An equation in one line of text."""
    text = ENVIRONMENT.sub(" ", tex).replace(r"\\", "; ")
    text = WRITTEN.sub(lambda found: chr(ord(found[1]) + 0xE000), text).replace(
        "&", " "
    )  # braces to be seen, for later
    text = re.sub(r"\\[,;:!> ]|~", " ", text).replace(r"\|", "‖")
    before = ""
    while text != before:  # from the inside out
        before = text
        text = LETTERS.sub(r"\1", text)
        text = ROOT.sub(lambda found: "√" + _grouped(found[1]), text)
        text = FRACTION.sub(lambda found: f"{_grouped(found[1])}/{_grouped(found[2])}", text)
        text = SCRIPT.sub(lambda found: found[1] + _grouped(found[2]), text)
    text = COMMAND.sub(lambda found: SIGNS.get(found[1], f"{found[1]} "), text)
    text = re.sub(r"\^([ᵀ′])", r"\1", re.sub(r"[{}\\]", "", text))
    text = re.sub(r"[\uE000-\uE0FF]", lambda found: chr(ord(found[0]) - 0xE000), text)
    return re.sub(r"\s+(?=[,.;)\]])|(?<=[(\[])\s+|\s+(?=\s)", "", text).replace("\n", " ").strip(" ;")


def _grouped(text: str) -> str:
    """What was held together by braces, in parentheses where it would fall apart."""
    text = text.strip()
    return text if re.fullmatch(r"√?\\?\w+|.|\w+[_^]\w+", text) else f"({text})"
