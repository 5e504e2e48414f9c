"""The file's shape: made by migrations, refused when newer, read by index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import sqlite

from quorate.core.policy import PROFILES
from quorate.errors import FileAccessError, SchemaNewerError, StateExistsError, StateMissingError
from quorate.host.store import migrations
from quorate.host.store.database import REVISIONS
from quorate.host.store.record import CountKey
from quorate.host.store.schema import metadata
from quorate.host.store.statements import heard_cmids
from quorate.host.store.store import Store
from tests.store.world import CLIENT, Site


def test_the_migrations_make_exactly_the_tables_of_the_schema(site: Site) -> None:
    with site.store.database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0006"
        assert compare_metadata(context, metadata) == []


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert tuple(reversed([step.revision for step in scripts.walk_revisions()])) == REVISIONS


def test_a_newer_database_is_refused_and_stays_as_it_is(site: Site, tmp_path: Path) -> None:
    site.ask_all(range(3))
    site.store.close()
    with closing(sqlite3.connect(site.path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = site.path.read_bytes()
    with pytest.raises(SchemaNewerError, match="schema 9999, known here: 0006"):
        Store.open(site.path)
    assert site.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["host.sqlite3"]


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateMissingError, match="there is no KMS host"):
        Store.open(tmp_path / "host.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_no_store_is_made_over_another(site: Site) -> None:
    site.ask(1)
    with pytest.raises(StateExistsError):
        Store.create(site.path)
    assert site.count() == 1


def test_a_store_cannot_be_made_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="No such file or directory"):
        Store.create(tmp_path / "nowhere" / "host.sqlite3")


def test_what_was_left_of_a_creation_that_was_cut_short_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "host.sqlite3.new").write_bytes(b"half a database")
    Store.create(tmp_path / "host.sqlite3").close()
    assert [path.name for path in tmp_path.iterdir()] == ["host.sqlite3"]


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3"])
def test_a_file_of_another_kind_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "host.sqlite3"
    path.write_bytes(content)
    with pytest.raises(FileAccessError, match="it is not a database"):
        Store.open(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "host.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(FileAccessError, match="not the database of a KMS host"):
        Store.open(path)
    assert path.read_bytes() == before


def _key(classes: int) -> CountKey:
    thresholds = PROFILES["windows-7"].thresholds
    return CountKey("acme", thresholds.server if classes == 1 else thresholds.client, 30 * 86_400)


def _sql(key: CountKey, now_s: int) -> str:
    classes = {f"class_{n}": each.value for n, each in enumerate(key.threshold.counts)}
    bound = heard_cmids(len(classes)).params(
        group=key.product_group, lapsed_s=now_s - key.window_s, rows_max=50, **classes
    )
    return str(bound.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))


@pytest.mark.parametrize("classes", [1, 2])
def test_the_count_is_read_by_its_index(site: Site, classes: int) -> None:
    with site.store.database.reading() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {_sql(_key(classes), 0)}")]
    assert plan == ["SEARCH cmid_records USING INDEX cmid_records_by_class (product_group=? AND machine_class=?)"]


def test_a_count_costs_the_same_in_a_fleet_of_any_size(site: Site) -> None:
    def steps() -> int:
        """SQLite's own virtual machine instructions for one count."""
        taken = 0

        def one_more() -> int:
            nonlocal taken
            taken += 1
            return 0

        with closing(sqlite3.connect(site.path)) as connection:
            connection.set_progress_handler(one_more, 1)
            rows = connection.execute(_sql(_key(2), site.clock.now_s())).fetchall()
        assert len(rows) == 50
        return taken

    site.ask_all(range(100), CLIENT)
    small = steps()
    site.ask_all(range(5000), CLIENT)
    assert steps() == small
