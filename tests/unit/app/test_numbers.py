"""Every whole number in a request has a largest value, so that a database can hold it."""

from collections.abc import Iterator
from typing import Any

from tests.unit.app.house import House

LARGEST = 2**63 - 1


def numbers_in(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a whole number below one, with where it stands."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from numbers_in(each, f"{place}.{number}")
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "integer":
        yield place, schema
    for name, each in schema.items():
        yield from numbers_in(each, f"{place}.{name}")


def asked_for(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What requests are made of: parameters, and the schemas that bodies refer to."""
    schemas = told["components"]["schemas"]
    waiting: set[str] = set()
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            for each in operation.get("parameters", ()):
                yield f"{method} {path} {each['name']}", each["schema"]
            body = operation.get("requestBody", {})
            yield f"{method} {path}", body
            waiting |= references_in(body)
    seen: set[str] = set()
    while waiting - seen:
        name = (waiting - seen).pop()
        seen.add(name)
        yield name, schemas[name]
        waiting |= references_in(schemas[name])


def references_in(schema: Any) -> set[str]:
    """The names of the schemas that one refers to."""
    if isinstance(schema, list):
        return set().union(*map(references_in, schema))
    if not isinstance(schema, dict):
        return set()
    reference = schema.get("$ref")
    own = {reference.rpartition("/")[2]} if isinstance(reference, str) else set()
    return own.union(*map(references_in, schema.values()))


def test_every_number_has_a_largest_value(still_house: House) -> None:
    found = [
        (place, number)
        for root, schema in asked_for(still_house.app.openapi())
        for place, number in numbers_in(schema, root)
    ]
    assert len(found) > 10
    unbounded = [
        place
        for place, number in found
        if number.get("maximum", number.get("exclusiveMaximum", LARGEST + 2)) > LARGEST + 1
        and "enum" not in number
        and "const" not in number
    ]
    assert unbounded == []
