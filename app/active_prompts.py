"""Which prompt answers from a collection: activated and rolled back."""

from app.activations import Activation, Activations, Check
from app.errors import NoEarlierPromptError
from app.prompts import Prompts
from core.access import Access, Caller
from core.database import Database
from core.ids import CollectionId
from core.prompt_tables import PromptActivationRow
from generation.answer import AnswerOptions


class ActivePrompts:
    """What is active is a version, which is never changed. Thread-safe."""

    def __init__(self, database: Database, prompts: Prompts) -> None:
        self._prompts = prompts
        self._activations = Activations(
            database, PromptActivationRow, nothing_before=_nothing_before
        )

    def history(self, collection_id: CollectionId) -> list[Activation]:
        """Every activation of a collection, the newest, which counts, first."""
        return self._activations.history(collection_id)

    def activate(
        self,
        collection_id: CollectionId,
        reference: str | None,
        caller: Caller,
        *,
        check: Check | None = None,
    ) -> Activation:
        """Let a prompt answer from the collection from now on, in the version it has now.

        None: that of the service. What is active already stays. Raises `PromptNotFoundError`, and
        what `check` raises of what was active until now.
        """
        prompt = None
        if reference is not None:
            prompt = self._prompts.get(reference, caller.access).template.reference
        return self._activations.activate(collection_id, prompt, caller, check=check)

    def roll_back(self, collection_id: CollectionId, caller: Caller) -> Activation:
        """Go back to what was active before; again, to what was before that.

        Raises `NoEarlierPromptError`.
        """
        return self._activations.roll_back(collection_id, caller)

    def applied(self, options: AnswerOptions, access: Access) -> AnswerOptions:
        """The options with the prompt of the collections that are asked, where all have the same.

        Where they differ, or none has one, the options stay.
        """
        prompt = self._activations.common(access)
        if prompt is None:
            return options
        everything = Access.to_everything()  # who may ask the collection may have its prompt
        return options.with_prompt(self._prompts.get(prompt, everything).template)


def _nothing_before() -> NoEarlierPromptError:
    return NoEarlierPromptError("no prompt was active before: there is nothing to undo")
