"""Conditions on documents and passages, as JSON, to conditions on rows. Pure: knows no access.

    {"and": [{"field": "language", "op": "eq", "value": "es"},
             {"not": {"field": "metadata.year", "op": "lt", "value": 2024}}]}

Every value is bound, none is spliced into SQL; what is wrong is told with its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, false, not_, or_

from core.errors import CimientoError
from core.label_tables import LabelRow
from core.tables import ChunkRow, CollectionRow, DocumentRow, VersionRow
from retrieval.metadata_sql import IS_BOOLEAN, IS_NUMBER, IS_TEXT, metadata_has, metadata_kind

_MAX_DEPTH: Final = 8
_MAX_CONDITIONS: Final = 64
_MAX_VALUES: Final = 200
_MOMENTS: Final = "2026-01-31 or 2026-01-31T12:00:00Z"
_METADATA: Final = "metadata."
_LABEL: Final = "label."
_MAX_KEY_CHARS: Final = 64
_MAX_NUMBER: Final = 1e300
_MAX_ID_CHARS: Final = 18
_ORDERINGS: Final = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_OPERATORS: Final = ("eq", "in", *_ORDERINGS)

Condition = ColumnElement[bool]
Value = str | int | float | bool | datetime


class BadFilterError(CimientoError):
    """The filter of a search is malformed, or names a field or a value that cannot be."""

    code = "bad_filter"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Field:
    """A column that can be asked for, and what its values are."""

    column: Any  # an instrumented attribute; its type varies
    read: Callable[[object], Value]
    is_ordered: bool = False


def compile_filter(given: object) -> Condition:
    """The condition on chunks, versions, documents and collections that a filter stands for.

    Raises `BadFilterError`, which names the place.
    """
    return _Compiler().compile(given, "filter", _MAX_DEPTH)


class _Compiler:
    """One filter on its way; counts its conditions."""

    def __init__(self) -> None:
        self._num_conditions = 0

    def compile(self, given: object, place: str, depth: int) -> Condition:
        if not isinstance(given, Mapping):
            raise BadFilterError(place, "must be an object")
        if depth == 0:
            raise BadFilterError(place, f"nests deeper than {_MAX_DEPTH} levels")
        if given.keys() in ({"and"}, {"or"}):
            ((word, parts),) = given.items()
            return self._join(word, parts, f"{place}.{word}", depth)
        if given.keys() == {"not"}:
            # coalesced below, so that what is unknown is false, and its contrary true
            return not_(self.compile(given["not"], f"{place}.not", depth - 1))
        if given.keys() != {"field", "op", "value"}:
            raise BadFilterError(
                place, "needs either field, op and value, or exactly one of and, or, not"
            )
        self._num_conditions += 1
        if self._num_conditions > _MAX_CONDITIONS:
            raise BadFilterError(place, f"is one of more than {_MAX_CONDITIONS} conditions")
        return _known(_compare(given["field"], given["op"], given["value"], place))

    def _join(self, word: str, parts: object, place: str, depth: int) -> Condition:
        if not isinstance(parts, list) or not parts:
            raise BadFilterError(place, "must be a list of at least one condition")
        join = and_ if word == "and" else or_
        return join(
            *(self.compile(part, f"{place}.{n}", depth - 1) for n, part in enumerate(parts))
        )


def _known(condition: Condition) -> Condition:
    """The condition, false where a column has no value: NULL would also swallow a `not`."""
    return case((condition, True), else_=False)


def _compare(name: object, operator: object, value: object, place: str) -> Condition:
    if not isinstance(name, str):
        raise BadFilterError(f"{place}.field", "must be text")
    if operator not in _OPERATORS:
        raise BadFilterError(f"{place}.op", f"must be one of {', '.join(_OPERATORS)}")
    values = _values(operator, value, f"{place}.value")
    if name == "tags" or name.startswith(_METADATA):
        key = "tags" if name == "tags" else name.removeprefix(_METADATA)
        return _compare_metadata(key, str(operator), values, place)
    if name.startswith(_LABEL):
        return _compare_label(name.removeprefix(_LABEL), str(operator), values, place)
    field = _FIELDS.get(name)
    if field is None:
        known = ", ".join((*_FIELDS, "tags", "metadata.KEY", "label.NAME"))
        raise BadFilterError(f"{place}.field", f"is not a field; there are {known}")
    try:
        read = [field.read(item) for item in values]
    except ValueError as error:
        raise BadFilterError(f"{place}.value", str(error)) from error
    if operator in _ORDERINGS:
        if not field.is_ordered:
            raise BadFilterError(f"{place}.op", f"{name} has no order; use eq or in")
        ordered: Condition = _ORDERINGS[str(operator)](field.column, read[0])
        return ordered
    found: Condition = field.column.in_(read)
    return found


def _values(operator: object, value: object, place: str) -> list[object]:
    if operator != "in":
        return [value]
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_VALUES:
        raise BadFilterError(place, f"must be a list of 1 to {_MAX_VALUES} values")
    return value


def _compare_label(name: str, operator: str, values: list[object], place: str) -> Condition:
    """Whether the document is labelled so, by a classifier or by a person."""
    if operator in _ORDERINGS:
        raise BadFilterError(f"{place}.op", "labels have no order; use eq or in")
    try:
        labels = [_text(value) for value in values]
    except ValueError as error:
        raise BadFilterError(f"{place}.value", str(error)) from error
    return exists().where(
        LabelRow.document_id == DocumentRow.id, LabelRow.name == name, LabelRow.label.in_(labels)
    )


def _compare_metadata(key: str, operator: str, values: list[object], place: str) -> Condition:
    if not 1 <= len(key) <= _MAX_KEY_CHARS or '"' in key or "\\" in key or not key.isprintable():
        raise BadFilterError(
            f"{place}.field", f'a key has 1 to {_MAX_KEY_CHARS} characters, none of them " or \\'
        )
    for value in values:
        if not isinstance(value, str | int | float | bool):
            raise BadFilterError(f"{place}.value", "must be text, a number, true or false")
        if not isinstance(value, str) and not abs(value) < _MAX_NUMBER:
            raise BadFilterError(f"{place}.value", "is too large a number")
    compare = _ORDERINGS.get(operator, eq)
    if compare is not eq and isinstance(values[0], bool):
        raise BadFilterError(f"{place}.op", "true and false have no order; use eq or in")
    return or_(false(), *(_metadata_is(key, compare, value) for value in values))


def _metadata_is(key: str, compare: Callable[[Any, Any], Any], value: object) -> Condition:
    stored = VersionRow.user_metadata[key]
    # The kind decides first: databases order text and numbers among each other, or fail at it.
    if isinstance(value, bool):
        kinds, cast = IS_BOOLEAN, stored.as_boolean()
    elif isinstance(value, str):
        kinds, cast = IS_TEXT, stored.as_string()
    else:
        kinds, cast = IS_NUMBER, stored.as_float()
    kind = metadata_kind(VersionRow.user_metadata, key)
    single: Condition = case((kind.in_(kinds), compare(cast, value)), else_=False)
    if compare is eq and isinstance(value, str):
        # a list, such as tags, has the value
        return or_(single, metadata_has(VersionRow.user_metadata, key, value))
    return single


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - told with the others
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
        raise ValueError("must be a whole number")
    return value


def _passage_id(value: object) -> int:
    # ids go over the wire as text
    if not isinstance(value, str) or not value.isdecimal() or len(value) > _MAX_ID_CHARS:
        raise ValueError("must be the id of a passage")
    return int(value)


def _moment(value: object) -> datetime:
    try:
        read = datetime.fromisoformat(_text(value))
    except ValueError as error:
        raise ValueError(f"must be a date or a moment, as in {_MOMENTS}") from error
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


_FIELDS: Final[Mapping[str, _Field]] = {
    "collection": _Field(CollectionRow.name, _text),
    "document": _Field(DocumentRow.id, _text),
    "name": _Field(DocumentRow.name, _text),
    "passage": _Field(ChunkRow.id, _passage_id),
    "version": _Field(VersionRow.number, _whole, is_ordered=True),
    "language": _Field(VersionRow.language, _text),
    "media_type": _Field(VersionRow.media_type, _text),
    "uploaded": _Field(VersionRow.created_at, _moment, is_ordered=True),
    "published": _Field(VersionRow.published_at, _moment, is_ordered=True),
}
