"""The laws of the house as tables: what each room may import, which kind each stem is, which page teaches it.

CONTRIBUTING.md shows `ALLOWED_IMPORTS` as a table, and a test holds the two equal.
"""

CHAPTERS = ("sequence", "attention", "transformer", "models", "variants")
SHARED = ("protocols", "_checks", "_numerics")
STANDARD_LIBRARY = {
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "functools",
    "inspect",
    "itertools",
    "math",
    "typing",
}


def _up_to(chapter: str) -> tuple[str, ...]:
    """A chapter imports the shared files, the chapters before it, and itself."""
    return (*SHARED, *CHAPTERS[: CHAPTERS.index(chapter) + 1])


# Room: (what it may import of attnref, what it may import of other packages; None = anything).
# "attnref" is the public names. Two arrows must never exist: chapter to `fast`, and anything but tests to `oracle`.
ALLOWED_IMPORTS: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {
    "protocols": ((), ("torch",)),
    "_checks": ((), ("torch",)),
    "_numerics": ((), ("torch",)),
    "_pages": ((), ("doctest", "re")),
    "doctest": (("_pages",), ("argparse", "ast", "importlib", "os", "pathlib", "re", "sys", "time")),
    **{chapter: (_up_to(chapter), ("torch", "jaxtyping")) for chapter in CHAPTERS},
    "oracle": (("oracle",), ("numpy",)),
    "fast": ((*SHARED, *CHAPTERS, "fast"), ("torch", "jaxtyping")),
    "plot": (("_checks", "plot"), ("torch", "numpy", "matplotlib", "cycler")),
    "interop": (
        (*SHARED, *CHAPTERS, "interop"),
        ("torch", "transformers", "safetensors", "json", "pathlib", "pickle", "importlib", "types", "re"),
    ),
    "tasks": (("attnref", *SHARED, *CHAPTERS, "fast", "plot", "tasks"), None),
}

# A mechanism has code, oracle, tests, planted mistakes, a page and figures. A composition is made of mechanisms: it has
# no oracle unless its paper has a sum of its own to write.
COMPOSITIONS = {
    "encoder_decoder",
    "blocks",
    "encoder",
    "decoder",
    "transformer",
    "decoder_only",
    "cache",
    "decoding",
    "beam_search",
    "vit",
    "patches",
    "masking",
    "mamba",
    "mamba_mixer",
    "image_generation",
}

# Stems that are taught on the page of another, which has their figures too.
PAGE_OF = {
    "markov": "autoregressive",
    "latent": "autoregressive",
    "encoder_decoder": "seq2seq",
    "feed_forward": "blocks",
    "encoder": "transformer",
    "decoder": "transformer",
    "decoder_only": "transformer",
    "cache": "decoding",
    "sampling": "decoding",
    "beam_search": "decoding",
    "patches": "vit",
    "masking": "bert",
    "rollout": "vit",
    "selective_scan": "mamba",
    "mamba_mixer": "mamba",
    "gumbel_softmax": "discrete_vae",
    "discrete_vae_loss": "discrete_vae",
    "doubly_stochastic": "show_attend_tell",
    "dalle_loss": "dalle",
    "image_generation": "dalle",
}

MOST_LINES = 240  # of a file of the package: past about 200 lines it holds two ideas
