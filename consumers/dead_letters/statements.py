"""Recognises what an SQL statement does by its keywords."""

import re

# After WITH, the word UPDATE alone does not make a write: it may be that of SELECT ... FOR UPDATE.
WRITE = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|WITH\b.*\b(?:INSERT\s+INTO|DELETE\s+FROM|UPDATE\b.+\bSET))\b",
    re.IGNORECASE | re.DOTALL,
)
READ = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)
ENDS = re.compile(
    r"\s*(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b))\b",
    re.IGNORECASE,
)
# MySQL commits before these: https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
COMMITS = re.compile(
    r"\s*(?:ALTER|CREATE(?!\s+TEMPORARY)|DROP(?!\s+TEMPORARY)|RENAME|TRUNCATE|GRANT|REVOKE|LOCK|ANALYZE|OPTIMIZE|REPAIR"
    r"|BEGIN|START\s+TRANSACTION|SET\s+AUTOCOMMIT)\b",
    re.IGNORECASE,
)


def is_write(sql: str) -> bool:
    return WRITE.match(sql) is not None


def is_read(sql: str) -> bool:
    return not is_write(sql) and READ.match(sql) is not None


def ends_transaction(sql: str, vendor: str) -> bool:
    """Whether this statement ends the transaction, so that a later rollback would not undo everything."""
    return ENDS.match(sql) is not None or (vendor == "mysql" and COMMITS.match(sql) is not None)
