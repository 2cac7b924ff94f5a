"""Code of one version on the schema of the next: where it goes on, and where it refuses."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from core.database import Database
from core.errors import DatabaseBehindError
from core.tables import CollectionRow
from migrations.floor import find_floor
from tests.databases import url_of
from tests.unit.app.house import POOL
from tests.unit.app.house import House as Service

FIRST_WITH_FLOOR = "0029"
NEXT = '''"""What the version after this one changes."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
{marked}


def upgrade() -> None:
    op.create_table("pets", sa.Column("name", sa.String(40), primary_key=True))
    op.add_column("collections", sa.Column("colour", sa.String(8), server_default="blue"))


def downgrade() -> None:
    op.drop_column("collections", "colour")
    op.drop_table("pets")
'''
EXPANDS = "only_expands = True"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database of this version."""
    database = Database(url_of(tmp_path))
    migrations.upgrade(database)
    yield database
    database.close()


def migrate_as_next_version(database: Database, folder: Path, *marks: str) -> Config:
    """Run this version's migrations and, after them, one for each mark, as newer code does."""
    scripts = folder / "next_version"
    shutil.copytree(Path(migrations.__file__).parent, scripts)
    before = migrations.current_revision()
    for number, marked in enumerate(marks):
        revision = f"9{number:03}"
        source = NEXT.format(revision=revision, before=before, marked=marked)
        if number:
            source = source.replace("pets", f"pets_{number}").replace("colour", f"colour_{number}")
        (scripts / "versions" / f"{revision}_next.py").write_text(source)
        before = revision
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    return config


@pytest.mark.parametrize("num_steps", [1, 3])
def test_this_version_goes_on_beside_one_that_only_added(
    database: Database, tmp_path: Path, num_steps: int
) -> None:
    migrate_as_next_version(database, tmp_path, *[EXPANDS] * num_steps)
    migrations.check(database)
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        assert migrations.find_revision(connection) == f"9{num_steps - 1:03}"
    with database.session_scope() as session:
        session.add(CollectionRow(id="col_new", name="new"))
    with database.read_scope() as session:
        assert (
            session.scalar(sa.text("SELECT colour FROM collections WHERE name = 'new'")) == "blue"
        )


@pytest.mark.parametrize(
    "marks", [("",), (EXPANDS, ""), ("", EXPANDS), ("only_expands = False",)], ids=str
)
def test_it_stops_where_any_step_did_more(
    database: Database, tmp_path: Path, marks: tuple[str, ...]
) -> None:
    migrate_as_next_version(database, tmp_path, *marks)
    for refused in (migrations.check, migrations.upgrade):
        with pytest.raises(DatabaseBehindError, match="newer Cimiento"):
            refused(database)


def test_what_looks_at_everything_wants_its_own_schema(database: Database, tmp_path: Path) -> None:
    migrations.check(database, exactly=True)
    migrate_as_next_version(database, tmp_path, EXPANDS)
    with pytest.raises(DatabaseBehindError, match="do this with that version"):
        migrations.check(database, exactly=True)


def test_an_older_schema_is_never_open(database: Database) -> None:
    config = migrations._config()
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0025")
        connection.commit()
    with pytest.raises(DatabaseBehindError, match="db upgrade"):
        migrations.check(database)


def test_going_back_takes_the_floor_back_with_it(database: Database, tmp_path: Path) -> None:
    own = migrations.current_revision()
    with database.engine.connect() as connection:
        floor = find_floor(connection)
    config = migrate_as_next_version(database, tmp_path, "")
    with database.write_connection() as connection:
        assert find_floor(connection) == "9000"
        config.attributes["connection"] = connection
        command.downgrade(config, own)
        connection.commit()
    with database.engine.connect() as connection:
        assert find_floor(connection) == floor
    migrations.check(database, exactly=True)


# What older code does not notice. A column that it leaves out needs a value without it.
HARMLESS = re.compile(
    r"BEGIN|SELECT|PRAGMA"
    r"|CREATE (UNIQUE )?INDEX|CREATE TABLE"
    r"|ALTER TABLE \w+ ADD COLUMN (?!.* NOT NULL)|ALTER TABLE \w+ ADD COLUMN .* DEFAULT "
    r"|(UPDATE|INSERT INTO|DELETE FROM) (alembic_version|schema_floor)"
)


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """What the database is told inside the block."""
    told: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        told.append(" ".join(statement.split()))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield told
    sa.event.remove(database.engine, "before_cursor_execute", note)


def go_to(database: Database, config: Config, revision: str) -> None:
    """One step forward."""
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def test_what_says_that_it_only_expands_does(tmp_path: Path) -> None:
    config = migrations._config()
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    database = Database(url_of(tmp_path, migrated=False))
    for script in reversed(scripts):
        with statements_of(database) as told:
            go_to(database, config, script.revision)
        assert told
        if script.revision >= FIRST_WITH_FLOOR:
            assert isinstance(script.module.only_expands, bool), script.revision
            if script.module.only_expands:
                harmful = [each for each in told if not HARMLESS.match(each)]
                assert harmful == [], script.revision
    database.close()


def test_a_service_and_its_ingestion_go_on_over_the_next_schema(tmp_path: Path) -> None:
    first = Service(tmp_path / "data")
    first.add("pool.txt", POOL)
    migrate_as_next_version(first.services.database, tmp_path, EXPANDS)
    first.add("bus.txt", "The bus to the hills leaves at ten in the morning from the old bridge.")
    # started anew, as after a crash in the middle of an upgrade
    second = Service(tmp_path / "data")
    for house in (first, second):
        for question, name in (("When does the pool open?", "pool"), ("bus to the hills", "bus")):
            found = house.client.post("/v1/search", json={"query": question}).json()["passages"]
            assert f"{name}.txt" in {each["document_name"] for each in found}
        asked = {"question": "When does the swimming pool open?", "min_confidence": 0}
        assert house.client.post("/v1/answer", json=asked).json()["status"] == "answered"
    for house in (second, first):
        house.close()
