"""What can go wrong in the engine, each with its facts and a remedy. Knows no HTTP status."""


class EngineError(Exception):
    """Any refusal by the engine; catching it catches all of them."""


class WeightsFileError(EngineError):
    """A model's files are incomplete, malformed or hostile: fetch them again."""


class GgufError(WeightsFileError):
    """A GGUF file is truncated, malformed or hostile."""


class UnsupportedModelError(EngineError):
    """A sound file holds something this engine does not run; the message names it."""


class ModelConfigError(EngineError):
    """The numbers that describe a model contradict each other; the message names the field."""


class SamplingParamsError(EngineError):
    """A sampling option is out of range; the message names the option and the range."""


class InvalidPromptError(EngineError):
    """A prompt or continuation is empty or holds an id outside the vocabulary."""


class ContextOverflowError(EngineError):
    """A write past the end of a KV cache: a scheduling mistake, never user input."""


class PromptTooLongError(EngineError):
    """A prompt leaves no room in the context window. It is refused whole, never cut."""

    def __init__(self, *, num_tokens: int, max_tokens: int) -> None:
        super().__init__(
            f"the prompt has {num_tokens} tokens and the engine accepts at most {max_tokens}; "
            "send less text, or raise the engine's context up to the model's limit"
        )
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens


class EngineBusyError(EngineError):
    """As many requests wait as may: try again later, nothing is wrong with this one."""

    def __init__(self, *, num_waiting: int, max_waiting: int) -> None:
        super().__init__(
            f"{num_waiting} requests are waiting and at most {max_waiting} may; try again shortly"
        )
        self.num_waiting = num_waiting
        self.max_waiting = max_waiting
        self.retry_after_s = 1.0


class EngineClosedError(EngineError):
    """The engine has been told to shut down and takes nothing new."""
