"""BERT against its definition and against Hugging Face's, and the laws of an encoder of padded pairs of texts."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref import AdditiveAttention, efficient_attention, scaled_dot_product_attention
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.models import BERT, BERTPretraining, mask_tokens
from attnref.oracle import bert as oracle

VOCAB_SIZE, D_MODEL = 19, 6
REAL = torch.arange(7) < torch.tensor([[7], [4], [5]])
activations = pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])


def make(num_layers=2, **options):
    """An encoder whose weights are drawn wide, norms and biases too, in float64."""
    options = {"num_heads": 2, "d_ff": 10, "max_positions": 9, "num_segments": 3, **options}
    return randomized(BERT(VOCAB_SIZE, d_model=D_MODEL, num_layers=num_layers, **options))


def with_heads(**options):
    return randomized(BERTPretraining(make(**options)))


def inputs(n=7, batch=3):
    """Tokens, their segments, and which of them are real."""
    return torch.randint(VOCAB_SIZE, (batch, n)), torch.randint(3, (batch, n)), REAL[:batch, :n]


@pytest.mark.parametrize("norm_eps", [1e-12, 1e-5, 0.5])
def test_embedding_agrees_with_oracle(agrees, arrays, norm_eps):
    model, (tokens, segments, _) = make(norm_eps=norm_eps), inputs()
    tables = [part.weight for part in (model.embed.tokens, model.embed.positions, model.embed.segments)]
    weights = arrays(*tables, model.embed.norm.weight, model.embed.norm.bias)
    expected = oracle.embed(*arrays(tokens, segments), *weights, norm_eps=norm_eps)
    agrees(model.embed(tokens, segments), expected)
    agrees(model.embed(tokens, None), oracle.embed(*arrays(tokens, 0 * segments), *weights, norm_eps=norm_eps))


@activations
@pytest.mark.parametrize("norm_eps", [1e-12, 0.5])
def test_heads_agree_with_oracle(agrees, arrays, activation, norm_eps):
    model, x = with_heads(activation=activation, norm_eps=norm_eps), torch.randn(3, 4, D_MODEL, dtype=torch.float64)
    head, table = model.head, model.bert.embed.tokens.weight
    weights = arrays(head.proj.weight, head.proj.bias, head.norm.weight, head.norm.bias, table, head.bias)
    expected = oracle.score_tokens(*arrays(x), *weights, activation=activation, norm_eps=norm_eps)
    agrees(model.score_tokens(x), expected)
    agrees(model.score_tokens(x[1, 2]), expected[1, 2])
    agrees(model.bert.pool(x), oracle.pool(*arrays(x, model.bert.pooler.weight, model.bert.pooler.bias)))


def test_is_its_parts_one_after_another():
    model, (tokens, segments, token_mask) = with_heads(), inputs()
    bert = model.bert
    expected, layers = bert.encoder(bert.embed(tokens, segments), token_mask[:, None], return_weights=True)
    x, weights = bert(tokens, segments, token_mask, return_weights=True)
    torch.testing.assert_close((x, weights), (expected, layers), rtol=0, atol=0)
    scores = model(tokens, segments, token_mask, return_weights=True)
    torch.testing.assert_close(scores.token_logits, model.score_tokens(x))
    torch.testing.assert_close(scores.next_logits, model.next_proj(bert.pool(x)))
    torch.testing.assert_close(scores.weights, layers)
    assert bert(tokens)[1] is None
    assert model(tokens).weights is None
    assert [block.norm for block in bert.encoder.layers] == ["post"] * 2
    assert bert.encoder.final_norm is None


def theirs_of(**options):
    """Hugging Face's model with random weights, drawn wider than its own."""
    transformers = pytest.importorskip("transformers")
    config = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": D_MODEL,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 10,
        "max_position_embeddings": 9,
        "type_vocab_size": 3,
        "pad_token_id": None,  # else its row of the table gets no gradient from the input
        "attn_implementation": "eager",
        **options,
    }
    return randomized(transformers.BertForPreTraining(transformers.BertConfig(**config))).eval()


NAMES = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.token_type_embeddings": "embed.segments",
    "embeddings.LayerNorm": "embed.norm",
    "encoder.layer.": "encoder.layers.",
    "attention.self.query": "self_attention.query_proj",
    "attention.self.key": "self_attention.key_proj",
    "attention.self.value": "self_attention.value_proj",
    "attention.output.dense": "self_attention.output_proj",
    "attention.output.LayerNorm": "self_attention_norm",
    "intermediate.dense": "feed_forward.inner_proj",
    "output.dense": "feed_forward.output_proj",
    "output.LayerNorm": "feed_forward_norm",
    "pooler.dense": "pooler",
    "cls.predictions.transform.dense": "head.proj",
    "cls.predictions.transform.LayerNorm": "head.norm",
    "cls.predictions.bias": "head.bias",
    "cls.seq_relationship": "next_proj",
}


def renamed(theirs):
    """Their weights, or gradients, by our names; what is tied is there once."""
    ours = {}
    for name, weight in theirs.items():
        if not name.startswith("cls.predictions.decoder"):
            for part, own in NAMES.items():
                name = name.replace(part, own)
            ours[name] = weight
    return ours


SHAPES = {
    "one head": {"num_attention_heads": 1},
    "three layers": {"num_hidden_layers": 3, "num_attention_heads": 3},
    "norm_eps": {"layer_norm_eps": 0.3},
    "tanh": {"hidden_act": "gelu_new"},
    "two segments": {"type_vocab_size": 2},
}


@pytest.mark.interop
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("attend", ["reference", "fast"])
def test_agrees_with_hugging_face(shape, padded, attend):
    """Hidden states of every layer, attention weights, pooled vectors, both heads, and all gradients."""
    theirs = theirs_of(**SHAPES[shape])
    c = theirs.config
    options = {"attend": fast_attention} if attend == "fast" else {}
    ours = BERTPretraining(
        BERT(
            VOCAB_SIZE,
            d_model=D_MODEL,
            num_heads=c.num_attention_heads,
            d_ff=10,
            num_layers=c.num_hidden_layers,
            max_positions=9,
            num_segments=c.type_vocab_size,
            activation="gelu_tanh" if c.hidden_act == "gelu_new" else "gelu",
            norm_eps=c.layer_norm_eps,
            **options,
        )
    ).double()
    ours.load_state_dict(renamed(theirs.state_dict()))
    tokens, segments, real = inputs()
    segments = segments.clamp(max=c.type_vocab_size - 1)
    real = real if padded else torch.ones_like(real)
    layers = []
    for layer in ours.bert.encoder.layers:
        layer.register_forward_hook(lambda _, __, output: layers.append(output[0]))

    expected = theirs(tokens, real.long(), segments, output_hidden_states=True, output_attentions=True)
    found = ours(tokens, segments, real if padded else None, return_weights=True)
    states = [ours.bert.embed(tokens, segments), *layers]
    assert len(states) == len(expected.hidden_states) == c.num_hidden_layers + 1
    for own, other in zip(states, expected.hidden_states, strict=True):
        torch.testing.assert_close(own[real], other[real], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.token_logits[real], expected.prediction_logits[real], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.next_logits, expected.seq_relationship_logits, rtol=1e-10, atol=1e-10)
    pooled = theirs.bert(tokens, real.long(), segments).pooler_output
    torch.testing.assert_close(ours.bert.pool(states[-1]), pooled, rtol=1e-10, atol=1e-10)
    if attend == "reference":
        torch.testing.assert_close(found.weights, tuple(expected.attentions), rtol=1e-10, atol=1e-10)

    (found.token_logits[real].sin().sum() + found.next_logits.sin().sum()).backward()
    (expected.prediction_logits[real].sin().sum() + expected.seq_relationship_logits.sin().sum()).backward()
    wanted = renamed({name: weight.grad for name, weight in theirs.named_parameters()})
    gradients = {name: weight.grad for name, weight in ours.named_parameters()}
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        wanted[name] = torch.zeros_like(gradient) if wanted[name] is None else wanted[name]
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.interop
def test_loss_is_hugging_faces():
    """The sum of both cross-entropies; theirs ignores what is labeled -100. Label 0: the second text follows."""
    theirs, ours = theirs_of(), with_heads()
    ours.load_state_dict(renamed(theirs.state_dict()))
    tokens, segments, real = inputs()
    new, chosen = mask_tokens(tokens, mask_token=3, vocab_size=VOCAB_SIZE, token_mask=real, rate=0.5)
    follows = torch.tensor([True, False, True])
    labels = tokens.masked_fill(~chosen, -100)
    expected = theirs(new, real.long(), segments, labels=labels, next_sentence_label=(~follows).long()).loss
    x, _ = ours.bert(new, segments, real)
    found = nn.functional.cross_entropy(ours.score_tokens(x[chosen]), tokens[chosen])
    found = found + nn.functional.cross_entropy(ours(new, segments, real).next_logits, (~follows).long())
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@given(length=st.integers(1, 6), token=st.integers(0, VOCAB_SIZE - 1), segment=st.integers(0, 2))
def test_padding_changes_nothing(length, token, segment):
    """Neither vectors nor scores, nor any gradient, whatever tokens and segments stand in the padding."""
    model, (tokens, segments, _) = with_heads(), inputs()
    expected = model(tokens[:, :length], segments[:, :length], return_weights=True)
    tokens[:, length:], segments[:, length:] = token, segment
    real = torch.arange(7) < torch.full((3, 1), length)
    padded = model(tokens, segments, real, return_weights=True)
    torch.testing.assert_close(padded.token_logits[:, :length], expected.token_logits)
    torch.testing.assert_close(padded.next_logits, expected.next_logits)
    for of_layer, alone in zip(padded.weights, expected.weights, strict=True):
        torch.testing.assert_close(of_layer[..., :length, :length], alone)
        assert of_layer[..., length:].eq(0).all()
    losses = expected.token_logits.sin().sum(), padded.token_logits[:, :length].sin().sum()
    wanted, found = (torch.autograd.grad(loss, list(model.bert.encoder.parameters())) for loss in losses)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("what", [torch.nan, torch.inf])
def test_not_even_a_padding_vector_of_nan_reaches_a_real_token(what):
    """A table may hold anything for the padding token."""
    model, (tokens, segments, real) = make(), inputs()
    tokens[real] = tokens[real].clamp(min=1)
    expected, _ = model(tokens, segments, real)
    with torch.no_grad():
        model.embed.tokens.weight[0] = what
    tokens[~real] = 0
    found, _ = model(tokens, segments, real)
    assert torch.equal(found[real], expected[real])
    assert found[~real].isnan().any()


def test_a_text_alone_is_the_text_in_the_batch():
    model, (tokens, segments, real) = with_heads(), inputs()
    together = model(tokens, segments, real)
    for i, length in enumerate(real.sum(1).tolist()):
        alone = model(tokens[i : i + 1, :length], segments[i : i + 1, :length])
        torch.testing.assert_close(alone.token_logits[0], together.token_logits[i, :length])
        torch.testing.assert_close(alone.next_logits[0], together.next_logits[i])


@given(at=st.integers(0, 6))
def test_every_token_sees_both_sides(at):
    """One token changed changes the vector of every other: there is no causal mask."""
    model, (tokens, _, _) = make(), inputs()
    before, _ = model(tokens)
    tokens[:, at] = (tokens[:, at] + 1) % VOCAB_SIZE
    after, _ = model(tokens)
    assert (before - after).abs().amax(-1).min() > 1e-6


@given(order=st.permutations(range(7)))
def test_without_positions_order_is_not_seen(order):
    """Tokens permuted give vectors permuted; with positions they do not."""
    model, (tokens, segments, real) = make(), inputs()
    x, _ = model(tokens, segments, real)
    moved, _ = model(tokens[:, order], segments[:, order], real[:, order])
    same = list(order) == list(range(7))
    assert torch.allclose(moved[0], x[0][list(order)]) == same
    with torch.no_grad():
        model.embed.positions.weight.zero_()
    x, _ = model(tokens, segments, real)
    moved, _ = model(tokens[:, order], segments[:, order], real[:, order])
    torch.testing.assert_close(moved, x[:, list(order)])


def test_segments_count_as_what_they_add_to_the_embedding():
    """Two segments of one vector are one; else a segment changed changes every vector. No segments are segment 0."""
    model, (tokens, segments, _) = make(), inputs()
    assert torch.equal(model(tokens)[0], model(tokens, torch.zeros_like(tokens))[0])
    other = segments.clone()
    other[:, 2] = (other[:, 2] + 1) % 3
    assert (model(tokens, segments)[0] - model(tokens, other)[0]).abs().amax(-1).min() > 1e-6
    with torch.no_grad():
        model.embed.segments.weight[:] = model.embed.segments.weight[0].clone()
    torch.testing.assert_close(model(tokens, segments)[0], model(tokens, other)[0], rtol=0, atol=0)


def test_the_table_gets_both_gradients():
    """What the input gives it and what the output gives it, added."""
    model, (tokens, segments, real) = with_heads(), inputs()
    table = model.bert.embed.tokens.weight
    x, _ = model.bert(tokens, segments, real)
    assert torch.equal(model(tokens, segments, real).token_logits, model.score_tokens(x))
    separate = table.detach().clone().requires_grad_()
    loss = model.head(x, separate)[real].sin().sum()
    of_input, of_output = torch.autograd.grad(loss, [table, separate])
    (both,) = torch.autograd.grad(model(tokens, segments, real).token_logits[real].sin().sum(), table)
    torch.testing.assert_close(both, of_input + of_output)
    assert of_input.abs().max() > 1e-3
    assert of_output.abs().max() > 1e-3
    assert sum(w is table for w in model.parameters()) == 1
    assert not [name for name, w in model.named_parameters() if w.shape == table.shape and w is not table]


def test_the_pooler_reads_the_first_token_alone():
    model, x = make(), torch.randn(3, 7, D_MODEL, dtype=torch.float64)
    pooled = model.pool(x)
    torch.testing.assert_close(pooled, nn.functional.linear(x[:, 0], model.pooler.weight, model.pooler.bias).tanh())
    x[:, 1:] = torch.nan
    assert torch.equal(model.pool(x), pooled)


def test_scores_of_chosen_positions_are_those_of_all():
    model, (tokens, segments, real) = with_heads(), inputs()
    x, _ = model.bert(tokens, segments, real)
    torch.testing.assert_close(model.score_tokens(x[real]), model(tokens, segments, real).token_logits[real])


@pytest.mark.parametrize("attend", [fast_attention, efficient_attention, AdditiveAttention(3, 3, 4)])
def test_any_attention_sits_in_it(attend):
    model, (tokens, segments, real) = make(attend=attend), inputs()
    x, weights = model(tokens, segments, real, return_weights=True)
    assert (weights is None) == (not isinstance(attend, nn.Module))
    tokens[~real] = 0
    torch.testing.assert_close(model(tokens, segments, real)[0][real], x[real])
    inside = [module for module in model.modules() if isinstance(module, type(attend))]
    assert len(inside) in (0, 2)


def test_a_text_of_padding_alone_is_finite():
    model, (tokens, segments, real) = with_heads(), inputs()
    real = real.clone()
    real[1] = False
    scores = model(tokens, segments, real)
    scores.token_logits.sin().sum().backward()
    assert scores.token_logits.isfinite().all()
    assert scores.next_logits.isfinite().all()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


def test_dropout_reaches_embedding_and_blocks():
    model, (tokens, _, _) = make(dropout=0.5), inputs()
    assert model.embed.dropout.p == 0.5
    assert [layer.dropout.p for layer in model.encoder.layers] == [0.5] * 2
    normal, dropped = model.eval().embed(tokens, None), model.train().embed(tokens, None)
    assert torch.allclose(dropped[dropped != 0], 2 * normal[dropped != 0])  # dropped from after the norm
    assert 0.2 < (dropped == 0).double().mean() < 0.8
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize("reset", [False, True])
def test_weights_are_drawn_as_berts(reset):
    model = BERTPretraining(
        BERT(300, d_model=64, num_heads=2, d_ff=128, num_layers=2, attend=AdditiveAttention(32, 32, 16))
    )
    if reset:
        for weight in model.parameters():
            nn.init.constant_(weight, torch.nan)
        model.reset_parameters()
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            assert weight.eq(1).all(), name
        elif name.endswith("bias"):
            assert weight.eq(0).all(), name
        elif "attend." not in name:
            assert abs(weight.std().item() - 0.02) < 6 * 0.02 / (2 * weight.numel()) ** 0.5, name
        assert weight.isfinite().all(), name


def test_sizes_of_the_papers_models():
    """Table 1 and section 3: 110 and 340 million parameters, heads left out."""
    sizes = {"base": (768, 12, 3072, 12, 109.5e6), "large": (1024, 16, 4096, 24, 335.1e6)}
    for d_model, num_heads, d_ff, num_layers, wanted in sizes.values():
        with torch.device("meta"):
            model = BERT(30522, d_model=d_model, num_heads=num_heads, d_ff=d_ff, num_layers=num_layers)
        assert abs(sum(weight.numel() for weight in model.parameters()) - wanted) < 1e5


def test_every_part_takes_the_activation_and_the_epsilon():
    model = with_heads(activation="gelu_tanh", norm_eps=0.5)
    blocks = model.bert.encoder.layers
    assert [part.activation for part in (*(b.feed_forward for b in blocks), model.head)] == ["gelu_tanh"] * 3
    assert [part.eps for part in model.modules() if isinstance(part, nn.LayerNorm)] == [0.5] * 6


def test_the_encoder_is_used_as_it_is():
    bert = make()
    assert BERTPretraining(bert).bert is bert


class Scaled(nn.Module):
    """An attention with a weight that is no layer's, as BERT's code has none."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, query, key, value, mask=None):
        return scaled_dot_product_attention(self.scale * query, key, value, mask)

    def reset_parameters(self):
        nn.init.ones_(self.scale)


def test_reset_reaches_the_attention_inside():
    model = BERTPretraining(make(attend=Scaled()))
    model.reset_parameters()
    scales = [weight for name, weight in model.named_parameters() if name.endswith("scale")]
    assert len(scales) == 2
    assert all(weight == 1 for weight in scales)


def test_pickles_with_its_table_tied():
    model, given_to = with_heads(), inputs()
    twin = pickle.loads(pickle.dumps(model))
    assert torch.equal(twin(*given_to).token_logits, model(*given_to).token_logits)
    assert len(list(twin.parameters())) == len(list(model.parameters()))


def test_learns_what_is_masked():
    """A few steps on one text: the loss on the chosen tokens falls."""
    torch.manual_seed(0)
    model = BERTPretraining(BERT(VOCAB_SIZE, d_model=16, num_heads=2, d_ff=32, num_layers=1, max_positions=9))
    tokens, optimizer = torch.arange(7)[None].expand(16, 7), torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        new, chosen = mask_tokens(tokens, mask_token=18, vocab_size=VOCAB_SIZE)
        x, _ = model.bert(new)
        losses.append(nn.functional.cross_entropy(model.score_tokens(x[chosen]), tokens[chosen]))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 2


def on_meta():
    with torch.device("meta"):
        model = BERT(VOCAB_SIZE, d_model=6, num_heads=2, d_ff=10, num_layers=1)
    return model(torch.zeros(1, 2, dtype=torch.long, device="cpu"))


def segments_on_meta():
    return make()(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long, device="meta"))


TOKENS = torch.zeros(2, 3, dtype=torch.long)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: make(num_heads=4),
            ValueError,
            "BERT: d_model must divide by num_heads, got d_model=6 and num_heads=4.",
        ),
        (lambda: make(num_layers=0), ValueError, "BERT: num_layers must be at least 1, got 0."),
        (lambda: make(max_positions=0), ValueError, "BERT: max_positions must be at least 1, got 0."),
        (lambda: make(num_segments=2.0), TypeError, "BERT: num_segments must be an int, got float."),
        (
            lambda: BERT(0, d_model=6, num_heads=2, d_ff=10, num_layers=1),
            ValueError,
            "BERT: vocab_size must be at least 1, got 0.",
        ),
        (
            lambda: make(activation="tanh"),
            ValueError,
            "BERT: activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got 'tanh'.",
        ),
        (lambda: make(dropout=1), ValueError, "BERT: dropout must be at least 0 and less than 1, got 1."),
        (lambda: make(norm_eps=0), ValueError, "BERT: norm_eps must be positive and finite, got 0."),
        (
            lambda: make(attend=AdditiveAttention),
            TypeError,
            "BERT: attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: make()(TOKENS.double()),
            TypeError,
            "BERT: tokens must hold tokens as int32 or int64, got torch.float64.",
        ),
        (lambda: make()(TOKENS[0]), ValueError, "BERT: tokens must be (batch, n), got shape (3,)."),
        (
            lambda: make()(TOKENS + VOCAB_SIZE),
            ValueError,
            "BERT: tokens must lie between 0 and vocab_size - 1=18, got 19 to 19.",
        ),
        (
            lambda: make()(TOKENS.new_zeros(2, 10)),
            ValueError,
            "BERT: tokens must hold at most max_positions=9 tokens, got 10.",
        ),
        (
            lambda: make()(TOKENS, TOKENS + 3),
            ValueError,
            "BERT: segments must lie between 0 and num_segments - 1=2, got 3 to 3.",
        ),
        (
            lambda: make()(TOKENS, TOKENS[:1]),
            ValueError,
            "BERT: tokens and segments must agree in batch, "
            "got tokens (2, 3) with batch=2, segments (1, 3) with batch=1.",
        ),
        (
            lambda: make()(TOKENS, TOKENS[:, :2]),
            ValueError,
            "BERT: tokens and segments must agree in n, got tokens (2, 3) with n=3, segments (2, 2) with n=2.",
        ),
        (
            lambda: make()(TOKENS, TOKENS == 0),
            TypeError,
            "BERT: segments must be int32 or int64, got torch.bool; pass a token mask as token_mask.",
        ),
        (
            lambda: make()(TOKENS, None, TOKENS),
            TypeError,
            "BERT: token_mask must be bool (True = a real token), got torch.int64.",
        ),
        (
            lambda: make()(TOKENS, None, (TOKENS == 0)[:, None]),
            ValueError,
            "BERT: token_mask must be (batch, n) = (2, 3), got shape (2, 1, 3); "
            "an attention mask has an axis for the queries, which is not wanted here: pass token_mask[:, 0].",
        ),
        (on_meta, ValueError, "BERT: tokens must be on the device of the weights, got tokens on cpu, weights on meta."),
        (
            segments_on_meta,
            ValueError,
            "BERT: segments must be on the device of the weights, got segments on meta, weights on cpu.",
        ),
        (
            lambda: make().pool(torch.zeros(2, 6).double()),
            ValueError,
            "BERT.pool: x must be (batch, n, d_model), got shape (2, 6).",
        ),
        (
            lambda: make().pool(torch.zeros(2, 3, 5).double()),
            ValueError,
            "BERT.pool: x must have d_model=6, got x (2, 3, 5) with d_model=5.",
        ),
        (
            lambda: make().pool(torch.zeros(2, 0, 6).double()),
            ValueError,
            "BERT.pool: x must hold at least one token, got shape (2, 0, 6).",
        ),
        (
            lambda: make().pool(torch.zeros(2, 3, 6)),
            TypeError,
            "BERT.pool: x and weights must share one dtype, got x torch.float32, weights torch.float64.",
        ),
        (
            lambda: BERTPretraining(nn.Linear(2, 2)),
            TypeError,
            "BERTPretraining: bert must be a BERT, got torch.nn.modules.linear.Linear.",
        ),
        (
            lambda: with_heads().score_tokens(torch.zeros(2, 5).double()),
            ValueError,
            "BERTPretraining.score_tokens: x must have d_model=6, got x (2, 5) with d_model=5.",
        ),
        (
            lambda: with_heads().score_tokens(torch.zeros(2, 6)),
            TypeError,
            "BERTPretraining.score_tokens: x and weights must share one dtype, "
            "got x torch.float32, weights torch.float64.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
