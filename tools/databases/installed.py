"""The databases of this checkout, installed where the machine has a package manager that may."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import packages
from tools.databases import mariadb as mariadb_module
from tools.databases import postgres as postgres_module
from tools.databases.database import Database
from tools.errors import InstallError

DIRECTORY = Path(__file__).parents[2] / ".services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a database comes from."""

    server: Callable[..., Database]
    find: Callable[[], Path | None]
    apt: Sequence[str]
    service: str
    formula: str


POSTGRES = Source(
    server=postgres_module.Postgres,
    find=postgres_module.programs,
    apt=["postgresql"],
    service="postgresql",
    formula="postgresql@17",
)
MARIADB = Source(
    server=mariadb_module.MariaDB,
    find=mariadb_module.programs,
    apt=["mariadb-server"],
    service="mariadb",
    formula="mariadb",
)
SOURCES = {"postgres": POSTGRES, "mariadb": MARIADB}


def database(name: str, *, directory: Path | None = None) -> Database:
    """The checkout's own `postgres` or `mariadb`, or another one in DIRECTORY; not started yet."""
    source = SOURCES[name]
    programs = source.find() or _install(source)
    return source.server(directory or DIRECTORY / name, programs=programs)


def _install(source: Source) -> Path:
    if packages.can_apt():
        packages.apt_install(source.apt, service=source.service)
    elif packages.can_brew():
        packages.brew_install(source.formula)
    if programs := source.find():
        return programs
    raise InstallError(f"{source.server.__name__} is not installed: install {source.apt[0]}")
