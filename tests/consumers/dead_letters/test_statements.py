"""What a statement does, told by its words."""

import pytest

from consumers.dead_letters.statements import ends_transaction, is_write


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("INSERT INTO a VALUES (1)", True),
        ("  replace into a values (1)", True),
        ("WITH old AS (DELETE FROM a RETURNING id) INSERT INTO b SELECT id FROM old", True),
        ("WITH a AS (SELECT 1)\nUPDATE b SET c = 1", True),
        ("SELECT 1", False),
        ("SELECT * FROM a FOR UPDATE", False),
        ("WITH a AS (SELECT 1) SELECT b.deleted FROM b FOR UPDATE", False),
        ("SAVEPOINT s1", False),
    ],
)
def test_statement_writes(sql, writes):
    assert is_write(sql) == writes


@pytest.mark.parametrize(
    ("sql", "is_over"),
    [
        ("TRUNCATE TABLE a", True),
        (" create table a (b int)", True),
        ("CREATE TEMPORARY TABLE a (b int)", False),
        ("DROP TEMPORARY TABLE a", False),
        ("INSERT INTO a VALUES (1)", False),
        ("SELECT 1", False),
    ],
)
def test_statement_commits_what_was_before_it(sql, is_over):
    assert ends_transaction(sql, "mysql") == is_over
    assert not ends_transaction(sql, "postgresql")


@pytest.mark.parametrize(
    ("sql", "is_over"),
    [
        ("COMMIT", True),
        (" commit work;", True),
        ("END TRANSACTION", True),
        ("ROLLBACK", True),
        ("ROLLBACK AND CHAIN", True),
        ("ABORT", True),
        ("PREPARE TRANSACTION 'a'", True),
        ('ROLLBACK TO SAVEPOINT "s1"', False),
        ("ROLLBACK TRANSACTION TO s1", False),
        ('RELEASE SAVEPOINT "s1"', False),
        ("PREPARE a AS SELECT 1", False),
        ("COMMENT ON TABLE a IS 'b'", False),
    ],
)
def test_statement_ends_the_transaction(sql, is_over):
    assert ends_transaction(sql, "postgresql") == is_over


@pytest.mark.parametrize("sql", ["BEGIN", "start transaction", "SET autocommit = 1"])
def test_statement_begins_another_transaction_and_so_ends_this_one(sql):
    assert ends_transaction(sql, "mysql")
    assert not ends_transaction(sql, "postgresql")
