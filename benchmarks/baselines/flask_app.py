"""The usual endpoint: Flask, SQLAlchemy's ORM, SQLite, PyJWT, under gunicorn's synchronous workers.

Written as a competent developer would on an afternoon: one short transaction per request through the ORM, the count
from an index, one signed JWT as the answer, the database as SQLite comes (rollback journal, full syncs: durable).
`QUORATE_BASELINE_TUNED=1` is the same program after a second afternoon with a profiler: write-ahead log (still with
full syncs) and one upsert instead of read and write. Both check less than the product (no lineage, no replay, no event
log, no limits), which is in their favour.

    QUORATE_BASELINE_DB=clients.db gunicorn -w 2 'benchmarks.baselines.flask_app:from_environment()'
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask, Response, jsonify, request
from sqlalchemy import Engine, Index, create_engine, event, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

__all__ = ["Client", "application", "from_environment", "open_database"]

DAY_S = 86_400
THRESHOLD = 25
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Base(DeclarativeBase):
    """The one schema of this program."""


class Client(Base):
    """One client machine."""

    __tablename__ = "clients"
    __table_args__ = (Index("clients_by_time", "edition", "last_seen"),)

    cmid: Mapped[str] = mapped_column(primary_key=True)
    edition: Mapped[str]
    machine: Mapped[str]
    first_seen: Mapped[int]
    last_seen: Mapped[int]
    requests: Mapped[int]


def open_database(path: str, *, tuned: bool) -> Engine:
    """The engine, with the table made."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        if tuned:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    Base.metadata.create_all(engine)
    return engine


def application(path: str, *, tuned: bool) -> Flask:
    """The program."""
    flask = Flask(__name__)
    session = sessionmaker(open_database(path, tuned=tuned))
    hear = _hear_by_upsert if tuned else _hear
    key = Ed25519PrivateKey.generate()

    def activate() -> tuple[Response, int]:
        asked = request.get_json()
        cmid, edition, machine = (asked.get(name) for name in ("cmid", "edition", "machine"))
        if not all(isinstance(text, str) for text in (cmid, edition, machine)) or not UUID.fullmatch(cmid):
            return jsonify(error="malformed request"), 400
        now = int(time.time())
        with session.begin() as transaction:
            hear(transaction, cmid, edition, machine, now)
            since = now - 30 * DAY_S
            heard = select(func.count()).select_from(Client).where(Client.edition == edition, Client.last_seen > since)
            count = transaction.scalar(heard) or 0
        if count < THRESHOLD:
            return jsonify(error="not enough machines yet", count=count), 403
        claims = {
            "sub": cmid,
            "edition": edition,
            "nonce": asked.get("nonce"),
            "iat": now,
            "exp": now + 180 * DAY_S,
            "count": count,
        }
        return jsonify(answer=jwt.encode(claims, key, algorithm="EdDSA")), 200

    flask.add_url_rule("/v1/activate", view_func=activate, methods=["POST"])
    return flask


def from_environment() -> Flask:
    """The program as gunicorn starts it."""
    return application(os.environ["QUORATE_BASELINE_DB"], tuned=os.environ.get("QUORATE_BASELINE_TUNED") == "1")


def _hear(transaction: Session, cmid: str, edition: str, machine: str, now: int) -> None:
    client = transaction.get(Client, cmid)
    if client is None:
        transaction.add(Client(cmid=cmid, edition=edition, machine=machine, first_seen=now, last_seen=now, requests=1))
    else:
        client.machine, client.last_seen, client.requests = machine, now, client.requests + 1
    transaction.flush()


def _hear_by_upsert(transaction: Session, cmid: str, edition: str, machine: str, now: int) -> None:
    row = insert(Client).values(cmid=cmid, edition=edition, machine=machine, first_seen=now, last_seen=now, requests=1)
    again = {"machine": machine, "last_seen": now, "requests": Client.requests + 1}
    transaction.execute(row.on_conflict_do_update(index_elements=[Client.cmid], set_=again))
