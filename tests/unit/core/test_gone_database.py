"""A database that cannot be reached: noticed in time, and no fault of whoever asked."""

import socket

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.database import Database, find_busy
from core.errors import DatabaseBusyError
from tests.ports import free_port


def fault_of(url: str) -> DatabaseBusyError | None:
    """What a read on this database is told as."""
    database = Database(url)
    with database.read_scope() as session, pytest.raises(OperationalError) as told:
        session.execute(text("SELECT 1"))
    database.close()
    return find_busy(told.value)


def test_where_nobody_listens_it_is_gone_for_now() -> None:
    assert fault_of(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none") is not None


def test_one_that_never_answers_is_gone_after_the_time_that_its_address_gives() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql+psycopg://nobody@127.0.0.1:{port}/none?connect_timeout=2"
        assert fault_of(url) is not None
