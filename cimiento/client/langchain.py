"""A service over the network behind langchain-core's interfaces: a retriever and a chat model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, UsageMetadata
from langchain_core.messages.utils import convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from cimiento.client.calls import Call, given
from cimiento.client.errors import problem_error
from cimiento.client.events import EventReader
from cimiento.client.sending import Sending
from cimiento.client.synchronous import Client

Json = Mapping[str, Any]
_CHATS: Final = "/v1/chat/completions"


class Found(Protocol):
    """A passage, of the service itself or as the client has it."""

    @property
    def id(self) -> object: ...
    @property
    def document_id(self) -> str: ...
    @property
    def document_name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def collection(self) -> str: ...
    @property
    def page(self) -> int | None: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def heading(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...


def document_of(passage: Found) -> Document:
    """A passage as a document of langchain-core; its id is the chunk's."""
    return Document(
        id=str(passage.id),
        page_content=passage.text,
        metadata={
            "document_id": passage.document_id,
            "document_name": passage.document_name,
            "version": passage.version,
            "collection": passage.collection,
            "page": passage.page,
            "start": passage.start,
            "end": passage.end,
            "heading": passage.heading,
            "score": passage.score,
        },
    )


class CimientoRetriever(BaseRetriever):
    """Finds the `k` passages that fit a question best, inside what the client's key may see.

    `options` are those of `Client.search`; they may be given to `invoke` too, and so may `k`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    k: int = 8
    options: Json = Field(default_factory=dict)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the interface's own
        k: int | None = None,
        **options: Any,
    ) -> list[Document]:
        asked: Any = {**self.options, **options, "top_k": self.k if k is None else k}
        return [document_of(passage) for passage in self.client.search(query, **asked)]


class ChatCimiento(BaseChatModel):
    """Answers the last message from documents, with citations, or refuses.

    `model` names collections: `cimiento/handbook`, several with commas, or `cimiento` for all.
    `options` are what a request has as `cimiento`: filter, prompt, min_confidence and so on.
    Citations are links in the text, `annotations` and the exact `citations`, both in
    `response_metadata`; `additional_kwargs["refusal"]` is set where the documents do not hold the
    answer. Messages of the system change nothing.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    model: str = "cimiento"
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    options: Json = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "cimiento"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "options": dict(self.options)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            **{**super()._get_ls_params(stop, **kwargs), "ls_provider": "cimiento"}
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the interface's own
        **more: Any,
    ) -> ChatResult:
        body = self._body(messages, more)
        reply = self.client.request(Call("POST", _CHATS, dict, json=body, is_safe=False))
        (choice,) = reply["choices"]
        message = AIMessage(
            content=_cut(choice["message"]["content"], stop or self.stop or ()),
            additional_kwargs=given({"refusal": choice["message"]["refusal"]}),
            response_metadata=_metadata(reply, choice, choice["message"]),
            usage_metadata=_usage(reply["usage"]),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **more: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if stop or self.stop:
            # what is cut off must not have been sent
            (whole,) = self._generate(messages, stop, **more).generations
            yield _chunk(AIMessageChunk(**whole.message.model_dump(exclude={"type"})))
            return
        body = self._body(messages, more)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        for event in self.client.follow(_ChatFollowing(body)):
            chunk = _chunk_of(event)
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _body(self, messages: Sequence[BaseMessage], more: Json) -> dict[str, Any]:
        options = {**self.options, **more.get("options", {})}
        return given(
            {
                "model": more.get("model", self.model),
                "messages": convert_to_openai_messages(messages),
                "temperature": more.get("temperature", self.temperature),
                "max_tokens": more.get("max_tokens", self.max_tokens),
                "cimiento": options or None,
            }
        )


class _ChatFollowing:
    """The chunks of a chat. A connection that breaks is not taken up: this protocol cannot."""

    def __init__(self, body: Json) -> None:
        self._body = body
        self._reader = EventReader()
        self.is_over = False

    def ask(self) -> Sending:
        return Sending("POST", _CHATS, json=self._body, is_safe=False)

    def read(self, text: str) -> Iterator[Json]:
        for event in self._reader.read(text):
            if event.data == "[DONE]":
                self.is_over = True
                return
            chunk: Json = json.loads(event.data)
            if "error" in chunk:
                raise problem_error(chunk, 500)
            yield chunk


def _chunk_of(event: Json) -> ChatGenerationChunk:
    if not event["choices"]:
        usage = _usage(event["usage"])
        last = AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")
        return _chunk(last)
    (choice,) = event["choices"]
    delta = choice["delta"]
    return _chunk(
        AIMessageChunk(
            content=delta.get("content") or "",
            additional_kwargs=given({"refusal": delta.get("refusal")}),
            response_metadata=_metadata(event, choice, delta) if choice["finish_reason"] else {},
        )
    )


def _chunk(message: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=message)


def _metadata(reply: Json, choice: Json, message: Json) -> dict[str, Any]:
    answer = reply["cimiento"]
    return {
        "model_name": reply["model"],
        "model_provider": "cimiento",
        "finish_reason": choice["finish_reason"],
        "answer_id": answer["id"],
        "status": answer["status"],
        "confidence": answer["confidence"],
        "citations": answer["citations"],
        "annotations": message["annotations"],
    }


def _usage(usage: Json) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        total_tokens=usage["total_tokens"],
    )


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text until the first of these strings."""
    ends = [end for each in stop if (end := text.find(each)) >= 0]
    return text[: min(ends)] if ends else text
