"""What a statement does, told by its words."""

import pytest

from consumers.dead_letters.statements import commits, is_write


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
    assert commits(sql, "mysql") == is_over
    assert not commits(sql, "postgresql")
