"""Constrained decoding: the output is one of the given texts. The model chooses which."""

from collections.abc import Sequence


class ChoiceConstraint:
    """Allows, after each token, only what continues one of the choices; each is token ids.

    Where a choice is complete and another goes on, the model chooses between stopping and going
    on. An empty answer from `allowed_next` means that nothing may follow.
    """

    def __init__(self, choices: Sequence[Sequence[int]], *, stop_id: int) -> None:
        self._choices = [tuple(choice) for choice in choices if choice]
        self._stop_id = stop_id

    @property
    def max_tokens(self) -> int:
        """Length of the longest choice, and the stop token after it."""
        return max((len(choice) for choice in self._choices), default=0) + 1

    def allowed_next(self, generated: Sequence[int]) -> list[int]:
        """The ids that may follow `generated`, ascending."""
        so_far = tuple(generated)
        size = len(so_far)
        open_choices = [choice for choice in self._choices if choice[:size] == so_far]
        following = {choice[size] for choice in open_choices if len(choice) > size}
        if following and any(len(choice) == size for choice in open_choices):
            following.add(self._stop_id)
        return sorted(following)
