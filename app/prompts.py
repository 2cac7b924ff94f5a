"""Templates of prompts: the built-in ones, and the owner's in the truth. Renders nothing.

An owner's template is written once and never changed: a change is another version, and answers of
long ago can be asked again with the words that made them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import Select, String, cast, literal, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import ForbiddenError
from core.access import Access, Caller
from core.database import Database
from core.errors import CimientoError
from core.prompt_tables import PromptActivationRow, PromptRow
from core.tables import now
from core.verify import Checked, Finding
from generation.prompts import (
    BadPromptError,
    PromptTemplate,
    builtin_prompts,
    builtin_source,
    find_prompt,
    not_found,
    read_template,
    split_reference,
)

_MAX_TRIES: Final = 5


class PromptNameTakenError(CimientoError):
    """The name of a template belongs to a built-in one."""

    code = "prompt_name_taken"


class PromptChangedError(CimientoError):
    """A stored template is not what was stored: somebody changed it behind the service."""

    code = "prompt_changed"


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A template with its source. `created_by` and `created_at` are None for a built-in one."""

    template: PromptTemplate
    source: str
    created_by: str | None = None
    created_at: datetime | None = None

    @property
    def is_built_in(self) -> bool:
        """Whether it comes with the service."""
        return self.created_at is None


class Prompts:
    """Every query on templates. Thread-safe.

    A caller who may see everything sees every template; one who may see some collections, the
    built-in ones and those that are or were active there.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, reference: str, access: Access) -> StoredPrompt:
        """By `name@version`, or the newest of a name. Raises `PromptNotFoundError`."""
        found = self.find(reference, access)
        if found is None:
            raise not_found(reference)
        return found

    def find(self, reference: str, access: Access) -> StoredPrompt | None:
        """The same, or None. Raises `PromptNotFoundError` for what can name no prompt."""
        name, version = split_reference(reference)
        if name in builtin_prompts():
            template = find_prompt(name, version)
            return None if template is None else _built_in(template)
        query = _visible(access).where(PromptRow.name == name)
        if version is not None:
            query = query.where(PromptRow.version == version)
        with self._database.read_scope() as session:
            row = session.scalars(query.order_by(PromptRow.version.desc()).limit(1)).first()
        return None if row is None else _stored(row)

    def create(self, source: str, caller: Caller) -> tuple[StoredPrompt, bool]:
        """Keep a template as the next version of its name; and whether it is new.

        What says the same as the newest version is that version. Raises `BadPromptError`,
        `PromptNameTakenError`, and `ForbiddenError` for a caller who may not see everything.
        """
        if caller.access.collection_ids is not None:
            raise ForbiddenError("this key opens some collections only, and cannot make prompts")
        draft = read_template(source, version=1)
        for _ in range(_MAX_TRIES):
            try:
                with self._database.session_scope() as session:
                    return _create(session, draft, source, caller)
            except IntegrityError:
                continue  # somebody else made this version at the same moment
        raise PromptNameTakenError("others keep making versions of this prompt; try again")

    def list(
        self, access: Access, *, cursor: str | None = None, limit: int | None = None
    ) -> list[StoredPrompt]:
        """Every version that the caller may see: the built-in ones, then the owner's, by name.

        `cursor` is the reference of the last one seen. Raises `PromptNotFoundError` for what can
        name no prompt.
        """
        query = _visible(access).order_by(PromptRow.name, PromptRow.version)
        first = list(_built_ins())
        if cursor is not None:
            name, version = split_reference(cursor)
            seen = [each.template.reference for each in first]
            first = first[seen.index(cursor) + 1 :] if cursor in seen else []
            if cursor not in seen:
                place = tuple_(PromptRow.name, PromptRow.version)
                query = query.where(place > tuple_(literal(name), literal(version or 0)))
        if limit is not None:
            first = first[:limit]
            query = query.limit(limit - len(first))
        with self._database.read_scope() as session:
            rows = session.scalars(query).all()
        return [*first, *map(_stored, rows)]


def check_prompts(database: Database, *, repair: bool) -> Checked:  # noqa: ARG001 - nothing can be mended
    """Every stored template is what was stored, and can be read."""
    with database.read_scope() as session:
        rows = session.scalars(select(PromptRow)).all()
    findings = []
    for row in rows:
        try:
            _stored(row)
        except (BadPromptError, PromptChangedError) as error:
            reference = f"{row.name}@{row.version}"
            findings.append(Finding("prompt_changed", reference, str(error), mended=False))
    return Checked("prompts", len(rows), tuple(findings))


def _create(
    session: Session, draft: PromptTemplate, source: str, caller: Caller
) -> tuple[StoredPrompt, bool]:
    if draft.name in builtin_prompts():
        raise PromptNameTakenError(
            f"{draft.name!r} is a built-in prompt: give yours another name in its first lines"
        )
    newest = session.scalars(
        select(PromptRow)
        .where(PromptRow.name == draft.name)
        .order_by(PromptRow.version.desc())
        .limit(1)
    ).first()
    if newest is not None and newest.sha256 == draft.sha256:
        return _stored(newest), False
    row = PromptRow(
        name=draft.name,
        version=1 if newest is None else newest.version + 1,
        source=source,
        sha256=draft.sha256,
        created_by=caller.name,
        created_at=now(),
    )
    session.add(row)
    session.flush()
    return _stored(row), True


def _visible(access: Access) -> Select[PromptRow]:
    query = select(PromptRow)
    if access.collection_ids is None:
        return query
    activated = select(PromptActivationRow.reference).where(
        PromptActivationRow.collection_id.in_(access.collection_ids)
    )
    reference = PromptRow.name + "@" + cast(PromptRow.version, String)
    return query.where(reference.in_(activated))


def _stored(row: PromptRow) -> StoredPrompt:
    template = _read(row.source, row.version)
    if template.sha256 != row.sha256:
        raise PromptChangedError(
            f"the prompt {template.reference} is not what was stored; restore a backup"
        )
    return StoredPrompt(template, row.source, row.created_by, row.created_at)


@lru_cache(64)
def _read(source: str, version: int) -> PromptTemplate:
    # what is stored never changes, and answers ask for the same few again and again
    return read_template(source, version=version)


def _built_ins() -> Iterator[StoredPrompt]:
    for versions in builtin_prompts().values():
        yield from map(_built_in, versions.values())


def _built_in(template: PromptTemplate) -> StoredPrompt:
    return StoredPrompt(template, builtin_source(template.name, template.version))
