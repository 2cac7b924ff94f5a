"""People, groups, shares, keys and the audit log, as they go over the wire. Shapes only."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import Path
from pydantic import Field, SecretStr, StringConstraints

from app.api.fields import (
    CLEAN,
    COLLECTION_PATTERN,
    FILLED,
    MAX_NUMBER,
    CollectionName,
    Reply,
    Request,
)
from app.people.accounts import PERSON_PATTERN, Person
from app.people.audit import AuditEvent
from app.people.credentials import ApiKey
from app.people.groups import Group
from app.people.passwords import MAX_CHARS
from app.people.sessions import WebSession
from app.people.sharing import Grant
from core.access import Role, Scope

PersonName = Annotated[str, StringConstraints(pattern=PERSON_PATTERN)]
GroupName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
PersonInPath = Annotated[str, Path(alias="person", pattern=PERSON_PATTERN, examples=["ana"])]
GroupInPath = Annotated[str, Path(alias="group", pattern=COLLECTION_PATTERN, examples=["people"])]
DisplayName = Annotated[str, StringConstraints(max_length=128), CLEAN]
# What is white space differs from one language of patterns to the next, by these characters.
_NO_EMAIL: Final = r"@\s\x00-\x20\x7f-\x9f\ufeff"
Email = Annotated[
    str, StringConstraints(pattern=rf"^[^{_NO_EMAIL}]{{1,64}}@[^{_NO_EMAIL}]{{1,189}}$")
]
# Longer than a password may be: what is too long is told so, and not by its pattern.
Password = Annotated[SecretStr, Field(max_length=4 * MAX_CHARS)]


class PasswordSignIn(Request):
    """Who signs in."""

    name: Annotated[str, StringConstraints(max_length=128)] = Field(examples=["ana"])
    password: Password


class LinkSignIn(Request):
    """A link to be used up; with a password, that becomes the person's."""

    token: Annotated[str, StringConstraints(max_length=2000)] = Field(
        description="The link itself, or its token."
    )
    password: Password | None = None


class ProviderOut(Reply):
    """An identity provider: what to call it, and where to send the browser."""

    title: str
    url: str


class SignInWays(Reply):
    """How to get in."""

    password: bool = Field(description="Whether a name and a password will do.")
    provider: ProviderOut | None


class PasswordChange(Request):
    """Another password; `current` is asked of whoever has one."""

    current: Password | None = None
    new: Password


class MeChange(Request):
    """What to change of oneself."""

    display_name: DisplayName


class CollectionRole(Reply):
    """What the caller may do in a collection."""

    name: str
    role: Role


class MeOut(Reply):
    """Who calls. `collections` is null where all of them are theirs, those to come included."""

    kind: Literal["person", "key"]
    name: str
    display_name: str
    email: str | None
    is_owner: bool
    has_password: bool
    scopes: list[Scope]
    collections: list[CollectionRole] | None


class SessionOut(Reply):
    """A signed-in browser. `current`: the one that asks."""

    browser: str
    created_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: WebSession) -> Self:
        """From the room's own data."""
        return cls(
            browser=session.browser,
            created_at=session.created_at,
            expires_at=session.expires_at,
            current=session.is_this,
        )


class SessionPage(Reply):
    """The sessions of a person."""

    items: list[SessionOut]
    next_cursor: str | None = None


class PersonNew(Request):
    """Somebody to be invited."""

    name: PersonName = Field(examples=["ana"])
    display_name: DisplayName = ""
    email: Email | None = None
    is_owner: bool = Field(default=False, description="Owns the service: everything, and people.")


class PersonUpdate(Request):
    """What to change of a person; what is left out stays."""

    name: PersonName | None = None
    display_name: DisplayName | None = None
    email: Email | None = None
    is_owner: bool | None = None
    is_disabled: bool | None = None


class PersonOut(Reply):
    """Somebody who may sign in."""

    id: str
    name: str
    display_name: str
    email: str | None
    is_owner: bool
    is_disabled: bool
    has_password: bool
    groups: list[str]
    created_at: datetime

    @classmethod
    def of(cls, person: Person) -> Self:
        """From the room's own data."""
        return cls(
            id=person.id,
            name=person.name,
            display_name=person.display_name,
            email=person.email,
            is_owner=person.is_owner,
            is_disabled=person.is_disabled,
            has_password=person.has_password,
            groups=list(person.groups),
            created_at=person.created_at,
        )


class PersonPage(Reply):
    """People."""

    items: list[PersonOut]
    next_cursor: str | None = None


class InvitationOut(Reply):
    """A link that signs somebody in once and lets them choose a password. Shown this once."""

    person: PersonOut
    link: str
    expires_at: datetime


class GroupNew(Request):
    """A group to be made."""

    name: GroupName = Field(examples=["people"])


class GroupOut(Reply):
    """People who are given access together."""

    id: str
    name: str
    members: list[str]
    created_at: datetime

    @classmethod
    def of(cls, group: Group) -> Self:
        """From the room's own data."""
        return cls(
            id=group.id, name=group.name, members=list(group.members), created_at=group.created_at
        )


class GroupPage(Reply):
    """Groups."""

    items: list[GroupOut]
    next_cursor: str | None = None


class RoleIn(Request):
    """A role to be given."""

    # not strict: JSON has no other way to say it than as text
    role: Annotated[Role, Field(strict=False, examples=["reader"])]


class GrantOut(Reply):
    """A role in a collection, and whose it is."""

    kind: Literal["person", "group"]
    name: str
    role: Role

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """From the room's own data."""
        return cls(kind=grant.holder.kind, name=grant.holder.name, role=grant.role)


class GrantPage(Reply):
    """Who has a role in a collection."""

    items: list[GrantOut]
    next_cursor: str | None = None


class KeyNew(Request):
    """A key to be made. It never opens more than its maker sees."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128), CLEAN, FILLED]
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1)] | None = (
        Field(default=None, description="By default all but `people` and `metrics`.")
    )
    collections: Annotated[list[CollectionName], Field(min_length=1, max_length=100)] | None = (
        Field(default=None, description="By default all that its maker sees.")
    )
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)
    max_requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    max_tokens_per_day: int | None = Field(default=None, ge=1, le=MAX_NUMBER)
    for_service: bool = Field(
        default=False,
        description="Belongs to nobody, and outlives its maker's account; for owners only.",
    )


class KeyOut(Reply):
    """A key as it may be shown."""

    id: str
    name: str
    person: str | None = Field(description="Whose it is; null for a service's own.")
    scopes: list[Scope]
    collections: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    max_requests_per_minute: int | None
    max_tokens_per_day: int | None
    tokens_today: int

    @classmethod
    def of(cls, key: ApiKey, tokens_today: int = 0) -> Self:
        """From the room's own data."""
        return cls(
            id=key.id,
            name=key.name,
            person=key.person,
            scopes=list(key.scopes),
            collections=None if key.collections is None else list(key.collections),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            max_requests_per_minute=key.limits.max_requests_per_minute,
            max_tokens_per_day=key.limits.max_tokens_per_day,
            tokens_today=tokens_today,
        )


class KeyMade(KeyOut):
    """A key with its secret, which is shown this once."""

    key: str


class KeyPage(Reply):
    """Keys."""

    items: list[KeyOut]
    next_cursor: str | None = None


class AuditEventOut(Reply):
    """Something that somebody did."""

    id: str
    at: datetime
    actor: str = Field(description="`person:ID`, `key:ID`, `owner` (command line) or `stranger`.")
    actor_label: str
    action: str = Field(examples=["document.deleted"])
    collection: str | None
    target: str | None
    document: str | None = Field(description="Name of the document, while there is one.")
    details: dict[str, Any]
    request_id: str

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """From the room's own data."""
        deed = event.deed
        return cls(
            id=event.id,
            at=event.at,
            actor=deed.actor,
            actor_label=deed.actor_label,
            action=deed.action,
            collection=deed.collection,
            target=deed.target,
            document=event.document,
            details=dict(deed.details),
            request_id=deed.request_id,
        )


class AuditPage(Reply):
    """A page of the audit log."""

    items: list[AuditEventOut]
    next_cursor: str | None = None
