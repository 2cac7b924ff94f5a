"""An answer that came to its end, as the parts that OpenAI's replies are made of. Pure."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

from app.api.answer_schemas import AnswerOut
from app.openai.linking import LinkedText, link_citations
from app.streams import ServerEvent

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer, and its text with links."""

    answer: AnswerOut
    linked: LinkedText

    @classmethod
    def of(cls, data: str, base_url: str) -> Self:
        """From the data of an answer's last event."""
        answer = AnswerOut.model_validate_json(data)
        return cls(answer, link_citations(answer, base_url))

    @property
    def refusal(self) -> str | None:
        """The text once more, where it says that the documents do not hold the answer."""
        return self.linked.text if self.answer.status == "refused" else None

    @property
    def annotations(self) -> list[Json]:
        """The links."""
        return [link.annotation() for link in self.linked.links]

    @property
    def extension(self) -> Json:
        """What OpenAI has no word for: how sure it is, and the exact places."""
        return self.answer.model_dump(
            mode="json",
            include={"id", "status", "answer", "sentences", "confidence", "citations"},
        )


class Reply(Protocol):
    """One kind of reply, whole or as the events of a stream."""

    def whole(self, written: Written) -> Json:
        """The reply at once."""
        ...

    def first(self) -> list[ServerEvent]:
        """What a stream begins with, before there is an answer."""
        ...

    def rest(self, written: Written) -> list[ServerEvent]:
        """The answer, and the end."""
        ...

    def failed(self, error: Json) -> list[ServerEvent]:
        """The end of a stream that has no answer; `error` is in OpenAI's words."""
        ...
