"""Greedy tokens beside another computation: equal, except where floats leave the choice open.

Two ways of computing the same logits differ by rounding, and another processor rounds otherwise.
Where the two best logits are nearer than that, either token is right, and what follows may differ.
"""

from collections.abc import Sequence

from torch import Tensor


def assert_likeliest(tokens: Sequence[int], logits: Tensor, *, rounding: float) -> None:
    """Fail where a token's logit is below the best of its row of (T, V) by more than `rounding`."""
    short = [
        (at, token, float(row.max() - row[token]))
        for at, (token, row) in enumerate(zip(tokens, logits, strict=True))
        if row.max() - row[token] > rounding
    ]
    assert not short, f"(place, token, how far below the best): {short}"
