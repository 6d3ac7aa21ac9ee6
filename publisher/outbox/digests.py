"""Hashes of routing keys: short enough for any index, and compared exactly, whatever the database's collation."""

from hashlib import sha256

from django.db.backends.base.base import BaseDatabaseWrapper

# The hash of a column in SQL. Django adds the function SHA256 to SQLite.
FUNCTIONS = {
    "postgresql": "encode(sha256(convert_to({column}, 'UTF8')), 'hex')",
    "mysql": "SHA2(CONVERT({column} USING utf8mb4), 256)",
    "sqlite": "SHA256({column})",
}


def digest_of(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def digest_in_sql(connection: BaseDatabaseWrapper, column: str) -> str:
    return FUNCTIONS[connection.vendor].format(column=column)
