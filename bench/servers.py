"""The servers that are measured on: a broker and a PostgreSQL of the benchmarks' own, gone afterwards."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika

from tools.broker import found
from tools.broker.choice import ways
from tools.broker.machine import around
from tools.broker.node import Node
from tools.broker.server import Server
from tools.databases import installed, postgres
from tools.errors import InstallError
from tools.lock import exclusive

DIRECTORY = installed.DIRECTORY / "bench"


class DurablePostgres(postgres.Postgres):
    """As it comes out of the box: the tests' one does not wait for the disk."""

    def command(self, port: int) -> list[str]:
        return [*super().command(port), "-c", "fsync=on", "-c", "full_page_writes=on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they are. `exchange` and `queue` are names of this run's own; `node` is None for a broker of others."""

    broker_url: str
    postgres_url: str
    sqlite_url: str
    exchange: str
    queue: str
    node: Node | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For a process that measures."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "BENCH_BROKER_URL": self.broker_url,
            "BENCH_POSTGRES_URL": self.postgres_url,
            "BENCH_SQLITE_URL": self.sqlite_url,
            "BENCH_EXCHANGE": self.exchange,
            "BENCH_QUEUE": self.queue,
        }

    def versions(self) -> dict[str, str]:
        """Of the servers, as they tell it."""
        import psycopg

        with pika.BlockingConnection(pika.URLParameters(self.broker_url)) as connection:
            broker: Any = connection._impl.server_properties  # type: ignore[attr-defined]
        with psycopg.connect(self.postgres_url) as database:
            return {
                "RabbitMQ": broker["version"].decode() if isinstance(broker["version"], bytes) else broker["version"],
                "PostgreSQL": database.info.parameter_status("server_version") or "",
            }


@contextmanager
def servers() -> Iterator[Servers]:
    """Started now, and deleted with all their data; BROKER_URL is taken as it is. One run at a time."""
    unique = f"bench-{uuid.uuid4().hex[:8]}"
    with _directory(), _broker() as (broker_url, node), _postgres() as postgres_url:
        yield Servers(
            broker_url=broker_url,
            node=node,
            postgres_url=postgres_url,
            sqlite_url=f"sqlite:///{DIRECTORY / unique}.sqlite3",
            exchange=unique,
            queue=f"{unique}.orders",
        )


@contextmanager
def _directory() -> Iterator[None]:
    with exclusive(installed.DIRECTORY / "bench.lock"):
        DIRECTORY.mkdir(exist_ok=True)
        try:
            yield
        finally:
            shutil.rmtree(DIRECTORY, ignore_errors=True)


@contextmanager
def _broker() -> Iterator[tuple[str, Node | None]]:
    if given := os.environ.get("BROKER_URL"):
        yield given, None
        return
    node = Node(DIRECTORY / "rabbitmq", server=_rabbitmq())
    try:
        node.ensure()
        yield node.url, node
    finally:
        node.reset()


def _rabbitmq() -> Server:
    """Installed, now if need be: Docker's network would be measured with it."""
    for way in ways(around()):
        if way in found.SERVERS:
            return found.SERVERS[way]()
    raise InstallError("RabbitMQ is not installed, and BROKER_URL is not set")


@contextmanager
def _postgres() -> Iterator[str]:
    programs = installed.database("postgres").programs
    database = DurablePostgres(DIRECTORY / "postgres", programs=programs)
    try:
        database.ensure()
        yield database.url
    finally:
        database.reset()
