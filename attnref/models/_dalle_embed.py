"""What DALL·E starts with: text tokens and image tokens as vectors of one sequence."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_same_size, kind_of, shape_of
from attnref.models._checks import check_right_padding
from attnref.sequence._checks import check_token_mask, check_tokens
from attnref.transformer._stacks import draw_anew
from attnref.transformer.positions import LearnedPositions, TokenEmbedding


class DALLEEmbed(nn.Module):
    """Vector of a text token plus that of its position; vector of an image token plus those of its row and column.

    The last row of each table is the token that starts the text, or the image; these two have no position.
    """

    def __init__(
        self, text_vocab_size: int, num_codes: int, n_text: int, grid: tuple[int, int], d_model: int, dropout: float
    ) -> None:
        super().__init__()
        self.text = TokenEmbedding(text_vocab_size + 1, d_model, scale=False)
        self.padding = LearnedPositions(n_text, d_model)  # a padding token of its own for each position
        self.text_positions = LearnedPositions(n_text, d_model)
        self.image = TokenEmbedding(num_codes + 1, d_model, scale=False)
        self.rows = LearnedPositions(grid[0], d_model)
        self.columns = LearnedPositions(grid[1], d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        text: Int[Tensor, "batch n_text"],
        image_tokens: Int[Tensor, "batch n_image"],
        text_mask: Bool[Tensor, "batch n_text"] | None,
    ) -> Float[Tensor, "batch n d_model"]:
        """Start of text, the text, start of image, and the image tokens but for the last."""
        start = image_tokens.new_full((image_tokens.shape[0], 1), self.image.vocab_size - 1)
        read = torch.cat((start, image_tokens), dim=1)[:, :-1]  # (batch, n_image)
        return self.dropout(torch.cat((self.of_text(text, text_mask), self.of_image(read, 0)), dim=1))

    def of_text(
        self, text: Int[Tensor, "batch n_text"], text_mask: Bool[Tensor, "batch n_text"] | None
    ) -> Float[Tensor, "batch 1+n_text d_model"]:
        """The start, then the text; where there is no token, the padding token of that position."""
        x = self.text(text)  # (batch, n_text, d_model)
        if text_mask is not None:
            x = torch.where(text_mask[..., None], x, self.padding.weight)
        start = self.text.weight[-1].expand(text.shape[0], 1, -1)  # (batch, 1, d_model)
        return torch.cat((start, self.text_positions(x)), dim=1)

    def of_image(self, read: Int[Tensor, "batch n"], offset: int) -> Float[Tensor, "batch n d_model"]:
        """The start, then image tokens row by row; the first of these is number `offset`."""
        cells = (self.rows.weight[:, None] + self.columns.weight).flatten(0, 1)  # (rows * columns, d_model)
        cells = torch.cat((torch.zeros_like(cells[:1]), cells))  # the start is in no cell
        return self.image(read) + cells[offset : offset + read.shape[1]]

    def check_text(self, who: str, text: Tensor, text_mask: Tensor | None) -> None:
        """The text is of the length that the model was made for, and on the device of the weights."""
        check_tokens(who, "text", text, self.text.vocab_size - 1)
        n_text = self.text_positions.max_positions
        if text.shape[1] != n_text:
            hint = "; pad it, and mask the padding by text_mask" if text.shape[1] < n_text else ""
            given = f"text {shape_of(text)} with n_text={text.shape[1]}"
            raise ValueError(f"{who}: text must have n_text={n_text}, got {given}{hint}.")
        check_token_mask(who, "text_mask", text_mask, text)
        check_right_padding(who, text_mask, "text_mask")
        self._check_device(who, "text", text)

    def check_image(self, who: str, image_tokens: Tensor, text: Tensor) -> None:
        """There are no more image tokens than the grid has cells, and as many images as texts."""
        check_tokens(who, "image_tokens", image_tokens, self.image.vocab_size - 1)
        check_same_size(who, "batch", text=(text, 0), image_tokens=(image_tokens, 0))
        self._check_length(who, "image_tokens", image_tokens.shape[1])
        self._check_device(who, "image_tokens", image_tokens)

    def check_read(self, who: str, tokens: Tensor, offset: int, text: Tensor) -> None:
        """What the model reads while it writes: the start of the image first, and then image tokens alone."""
        check_tokens(who, "tokens", tokens, self.image.vocab_size)
        check_same_size(who, "batch", text=(text, 0), tokens=(tokens, 0))
        self._check_length(who, "tokens", offset + tokens.shape[1], ", the start of the image among them")
        self._check_device(who, "tokens", tokens)
        start = self.image.vocab_size - 1
        starts = tokens == start
        if not tokens.is_meta and (bool(starts[:, 1:].any()) or bool((starts[:, 0] != (offset == 0)).any())):
            rule = f"tokens must begin with start_of_image={start}, and have it nowhere else"
            raise ValueError(f"{who}: {rule}, got {tokens[0].tolist()} at position {offset} of the image.")

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.children())

    def _check_length(self, who: str, name: str, n: int, beside: str = "") -> None:
        rows, columns = self.rows.max_positions, self.columns.max_positions
        if n > rows * columns:
            given = f"{rows * columns} tokens for a grid of {rows} x {columns}{beside}"
            raise ValueError(f"{who}: {name} must hold at most {given}, got {n}.")

    def _check_device(self, who: str, name: str, tokens: Tensor) -> None:
        if tokens.device != self.text.weight.device:
            given = f"{name} on {tokens.device}, weights on {self.text.weight.device}"
            raise ValueError(f"{who}: {name} must be on the device of the weights, got {given}.")


def check_grid(who: str, grid: object) -> tuple[int, int]:
    """Rows and columns, each at least one."""
    if not isinstance(grid, tuple | list) or len(grid) != 2:
        given = f"{kind_of(grid)} of {len(grid)}" if isinstance(grid, tuple | list) else kind_of(grid)
        raise TypeError(f"{who}: grid must be a pair (rows, columns), got {given}.")
    rows, columns = grid
    check_at_least(who, 1, rows=rows, columns=columns)
    return rows, columns
