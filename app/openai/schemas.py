"""What OpenAPI is told of OpenAI's shapes. The rest is in OpenAI's own reference."""

from pydantic import Field

from app.api.fields import Reply


class OpenAIErrorOut(Reply):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = None
    code: str = Field(examples=["model_not_found"])


class OpenAIProblem(Reply):
    """An error of the routes that speak OpenAI's protocol."""

    error: OpenAIErrorOut
