"""How many tokens keys take. Every query on it; a day is one in UTC."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.people.errors import BudgetSpentError
from core.database import Database
from core.people_tables import ApiKeyRow, KeyUsageRow
from core.tables import now

_KEY: Final = "key:"


class TokenUsage:
    """Counts what keys take, and refuses what is over a key's budget. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, caller: str, num_tokens: int) -> None:
        """Count tokens of a caller; those of people signed in are not counted."""
        if not caller.startswith(_KEY) or not num_tokens:
            return
        key_id, day = caller.removeprefix(_KEY), _day(now())
        with self._database.session_scope() as session:
            if session.get(ApiKeyRow, key_id, with_for_update=True) is None:
                return  # revoked while it was being answered
            row = session.get(KeyUsageRow, (key_id, day))
            if row is None:
                row = KeyUsageRow(key_id=key_id, day=day, num_tokens=0)
                session.add(row)
            row.num_tokens += num_tokens

    def today(self) -> Mapping[str, int]:
        """Tokens that each key has taken since midnight."""
        query = select(KeyUsageRow.key_id, KeyUsageRow.num_tokens)
        with self._database.read_scope() as session:
            rows = session.execute(query.where(KeyUsageRow.day == _day(now()))).all()
        return {row.key_id: row.num_tokens for row in rows}

    def refuse_spent(self, caller: str, max_tokens: int) -> None:
        """Raise `BudgetSpentError` where a key has taken its tokens of the day."""
        moment = now()
        place = (caller.removeprefix(_KEY), _day(moment))
        with self._database.read_scope() as session:
            row = session.get(KeyUsageRow, place)
        if row is not None and row.num_tokens >= max_tokens:
            raise BudgetSpentError(
                f"this key may take {max_tokens} tokens a day, and has; the next day begins at "
                "midnight, UTC",
                retry_after_s=_seconds_to_midnight(moment),
            )

    def refuse_overspent(self, caller: str) -> None:
        """The same by the limit that the key has now, for work that outlives its request."""
        if not caller.startswith(_KEY):
            return
        with self._database.read_scope() as session:
            row = session.get(ApiKeyRow, caller.removeprefix(_KEY))
        if row is not None and row.max_tokens_per_day is not None:
            self.refuse_spent(caller, row.max_tokens_per_day)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _seconds_to_midnight(moment: datetime) -> int:
    midnight = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - moment).total_seconds()) + 1
