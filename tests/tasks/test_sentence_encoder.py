"""A sentence encoder of random weights with a tokenizer of a few words: what it reads, and the vectors it makes."""

import pytest
import torch

from attnref import mean_pooling
from attnref.models import BERT
from attnref.tasks.sentence_encoder import SentenceEncoder, sentences

tokenizers = pytest.importorskip("tokenizers", reason="the group `interop`")
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "he", "ate", "bread", "and", "went", "."]


@pytest.fixture
def tokenizer(tmp_path):
    """Lower case, words and marks, between [CLS] and [SEP]; the file asks for padding and truncation."""
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    made.enable_truncation(5)
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def make(tokenizer, **options):
    bert = BERT(len(WORDS), d_model=8, num_heads=2, d_ff=16, num_layers=3, max_positions=16, dropout=0.5, **options)
    return SentenceEncoder(bert.double(), tokenizer)


def test_a_sentence_is_read_whole_and_without_dropout(tokenizer):
    encoder = make(tokenizer)
    reading = encoder.read("He ate bread and went.")
    assert reading.symbols == ["[CLS]", "he", "ate", "bread", "and", "went", ".", "[SEP]"]
    x, weights = encoder.bert(torch.tensor([[1, 4, 5, 6, 7, 8, 9, 2]]), return_weights=True)
    assert torch.equal(reading.x, x[0])
    assert torch.equal(reading.weights, torch.cat(weights))
    assert reading.weights.shape == (3, 2, 8, 8)
    assert not reading.x.requires_grad


def test_weights_of_several_sentences(tokenizer):
    encoder = make(tokenizer)
    (first, one), (second, other) = encoder.weights_of(["He went.", "He ate bread."])
    assert (first[1:-1], second[1:-1]) == (["he", "went", "."], ["he", "ate", "bread", "."])
    assert torch.equal(one, encoder.read("He went.").weights)
    assert torch.equal(other, encoder.read("He ate bread.").weights)


def test_vectors_are_means_whatever_the_others_length(tokenizer, agrees):
    encoder = make(tokenizer)
    texts = ["He went.", "He ate bread and went.", "Bread"]
    vectors = encoder.vectors(texts)
    assert not vectors.requires_grad
    for text, vector in zip(texts, vectors, strict=True):
        agrees(vector, mean_pooling(encoder.read(text).x))


def test_a_long_sentence_is_cut_off_before_its_separator(tokenizer, agrees):
    encoder = make(tokenizer)
    vectors = encoder.vectors(["He ate bread and went."], max_tokens=5)
    agrees(vectors, encoder.bert(torch.tensor([[1, 4, 5, 6, 2]]))[0].mean(1))


@pytest.mark.plain
def test_attention_without_weights_cannot_be_read(tokenizer, refuses):
    encoder = make(tokenizer, attend=lambda query, key, value, mask=None: (value, None))
    words = "SentenceEncoder.read: the encoder's attention must form its weights."
    refuses(lambda: encoder.read("He went."), ValueError, words)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("He went. She ate.", ["He went.", "She ate."]),
        ('"He went." She ate.', ['"He went."', "She ate."]),
        ("He went! 'Who ate?' \"I.\" So", ["He went!", "'Who ate?'", '"I."', "So"]),
        ("He went, to St. Ives. and ate", ["He went, to St.", "Ives. and ate"]),
        ("One", ["One"]),
    ],
)
def test_sentences(text, cut):
    assert list(sentences([text])) == cut


def test_sentences_of_several_texts():
    assert list(sentences(["He went. She ate.", "They slept."])) == ["He went.", "She ate.", "They slept."]
