"""Texts of requests: counted as they were sent, cleaned before anybody looks at them."""

from typing import cast

import pytest
from pydantic import TypeAdapter, ValidationError

from app.api.fields import QuestionText, ShortQuestion, Title
from app.api.people_schemas import DisplayName, Email

KINDS = {QuestionText: 4000, ShortQuestion: 200, Title: 120, DisplayName: 128}


def adapter(kind: object) -> TypeAdapter[str]:
    """What checks a field of this kind."""
    return TypeAdapter(cast("type[str]", kind))


@pytest.mark.parametrize(("kind", "limit"), KINDS.items())
def test_openapi_counts_as_the_service_does(kind: object, limit: int) -> None:
    field = adapter(kind)
    assert field.json_schema()["maxLength"] == limit
    assert field.validate_python("a" * limit) == "a" * limit
    for longer in ("a" * limit + "\x00", "a" * limit + " ", "a" + "\r\n" * limit):
        with pytest.raises(ValidationError, match=f"at most {limit}"):
            field.validate_python(longer)


@pytest.mark.parametrize("kind", KINDS)
def test_control_characters_and_white_space_around_are_taken_out(kind: object) -> None:
    field = adapter(kind)
    assert field.validate_python(" \x07a\x00b\r\nc\td\x9f ") == "ab\nc\td"


@pytest.mark.parametrize("kind", [QuestionText, ShortQuestion, Title])
@pytest.mark.parametrize("nothing", ["", " \n", "\x00\x1f"])
def test_what_says_nothing_is_refused(kind: object, nothing: str) -> None:
    with pytest.raises(ValidationError):
        adapter(kind).validate_python(nothing)


@pytest.mark.parametrize("odd", "\x00\x1c\x1f\x85 \u00a0\u2003\ufeff")
def test_no_language_of_patterns_takes_these_into_an_address(odd: str) -> None:
    # JavaScript, Python and Rust differ in what they call white space
    field = adapter(Email)
    assert field.validate_python("ana@example.org") == "ana@example.org"
    for address in (f"a{odd}na@example.org", f"ana@exam{odd}ple.org"):
        with pytest.raises(ValidationError):
            field.validate_python(address)
