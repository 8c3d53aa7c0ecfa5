"""Random inputs that several tests draw by hypothesis."""

import torch
from hypothesis import strategies as st


@st.composite
def shared_mask_cases(draw):
    """Any sizes, a mask for all queries that broadcasts in any of its axes, and how many positions a block has."""
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    n_q, n_k, d_k, d_v = (draw(st.integers(1, 9)) for _ in range(4))
    shape = [size if draw(st.booleans()) else 1 for size in (*batch, 1, n_k)][draw(st.integers(0, len(batch))) :]
    torch.manual_seed(draw(st.integers(0, 999)))
    mask = torch.rand(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    tensors = [torch.randn(*batch, n, d).double() for n, d in ((n_q, d_k), (n_k, d_k), (n_k, d_v))]
    return tensors, mask if draw(st.booleans()) else None, draw(st.integers(1, 10))
