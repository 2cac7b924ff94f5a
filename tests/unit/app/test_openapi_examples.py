"""Every operation of the OpenAPI shows what it takes and what it gives, and none of it is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from app.openapi_examples import FIELDS
from tests.unit.app.house import House

Json = dict[str, Any]


@pytest.fixture(scope="module")
def told(still_house: House) -> Json:
    """The OpenAPI."""
    schema: Json = still_house.app.openapi()
    return schema


def operations(told: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def shows(told: Json, said: Json, seen: frozenset[str] = frozenset()) -> bool:
    """Whether there is an example in it, or in anything that it is made of."""
    if said.keys() & {"example", "examples"}:
        return True
    parts = [*said.get("properties", {}).values(), *said.get("anyOf", ()), said.get("items", {})]
    if "$ref" in said and said["$ref"] not in seen:
        seen |= {said["$ref"]}
        parts.append(told["components"]["schemas"][said["$ref"].rpartition("/")[2]])
    return any(shows(told, each, seen) for each in parts if each)


def silent_kinds(told: Json, where: Json) -> list[str]:
    """The kinds of content that show nothing."""
    return [
        kind
        for kind, content in where.get("content", {}).items()
        if "example" not in content and not shows(told, content.get("schema", {}))
    ]


def test_every_operation_shows_what_it_takes(told: Json) -> None:
    bodies = [
        (name, kind)
        for name, operation in operations(told)
        for kind in silent_kinds(told, operation.get("requestBody", {}))
    ]
    parameters = [
        (name, parameter["name"])
        for name, operation in operations(told)
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path" and not shows(told, parameter["schema"])
    ]
    assert (bodies, parameters) == ([], [])


def test_every_operation_shows_what_it_gives(told: Json) -> None:
    silent = [
        (name, status, kind)
        for name, operation in operations(told)
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for kind in silent_kinds(told, response)
    ]
    assert silent == []


def examples(said: Any, place: str) -> Iterator[tuple[str, Json, Any]]:
    """Every example below, with the schema that it is an example of."""
    if isinstance(said, list):
        for number, each in enumerate(said):
            yield from examples(each, f"{place}/{number}")
    if not isinstance(said, dict):
        return
    if isinstance(said.get("examples"), list):
        yield from ((place, said, each) for each in said["examples"])
    for key, each in said.items():
        if key not in {"examples", "example"}:
            yield from examples(each, f"{place}/{key}")


def test_every_example_is_what_its_schema_says(told: Json) -> None:
    found = list(examples({"paths": told["paths"], "components": told["components"]}, ""))
    assert len(found) > 200
    wrong = []
    for place, schema, example in found:
        checked = Draft202012Validator(schema | {"components": told["components"]})
        wrong += [f"{place}: {error.message}" for error in checked.iter_errors(example)]
    assert wrong == []


def test_nothing_on_the_page_is_of_no_use(told: Json) -> None:
    schemas = told["components"]["schemas"]
    fields = {
        name
        for schema, each in schemas.items()
        for field in each.get("properties", {})
        for name in (field, f"{schema}.{field}")
    }
    parameters = {
        parameter["name"]
        for _, operation in operations(told)
        for parameter in operation.get("parameters", ())
    }
    assert FIELDS.keys() <= fields | parameters
