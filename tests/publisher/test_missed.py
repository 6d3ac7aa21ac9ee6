"""Which writes of forwarded models sent nothing, and where they are made."""

import json
from io import StringIO
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.test import Client, override_settings

from publisher import missed
from publisher.missed import recording
from tests.foo.models import Article, Draft, Tag

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    monkeypatch.setattr("publisher.missed.RECORD", tmp_path / "missed.jsonl")


def listed():
    return [(row.model, row.method, row.unsent, row.writes, row.rows) for row in missed.missed()]


def test_writes_that_sent_nothing_are_recorded_with_the_line_of_code():
    with recording():
        for _ in range(2):
            Article.objects.bulk_create([Article(title="a"), Article(title="b")])  # this line
    (row,) = missed.missed()
    path, _, number = row.where.rpartition(":")
    assert path == "tests/publisher/test_missed.py"
    assert "# this line" in Path(path).read_text().splitlines()[int(number) - 1]
    assert listed() == [("foo.Article", "bulk_create", "post_save", 2, 4)]


def test_each_method_is_recorded_once():
    article = Article.objects.create(title="a")
    with recording():
        Article.objects.bulk_update([article], ["title"])
        Article.objects.update(title="b")
        Article.objects.all()._raw_delete("default")
    assert sorted(row[1:] for row in listed()) == [
        ("_raw_delete", "post_delete", 1, 1),
        ("bulk_update", "post_save", 1, 1),
        ("update", "post_save", 1, 1),
    ]


def test_what_sends_or_is_not_forwarded_or_wrote_nothing_is_not_recorded():
    rules = ["publisher.signals.*", {"signal": "django.db.models.signals.post_save", "senders": ["foo.Article"]}]
    with override_settings(SIGNAL_BRIDGE={"FORWARD": rules}), recording():
        Draft.objects.bulk_create([Draft()])
        Article.objects.update(title="nobody")
        Article.objects.create(title="a").save()
        Article.telling.update(title="b")
        Article.objects.all()._raw_delete("default")
    assert listed() == []
    with recording():
        Article.telling.bulk_create([Article(title="no rule takes its signal here")])
    assert len(listed()) == 1


def test_rows_of_a_relation_are_not_recorded_since_m2m_changed_told_of_them():
    article, tag = Article.objects.create(title="a"), Tag.objects.create(name="t")
    with recording():
        article.tags.add(tag)
        article.tags.clear()
        tag.article_set.set([article])
        article.delete()
    assert listed() == []


def test_rows_of_a_relation_with_a_model_of_its_own_are_recorded_only_when_they_are_written_as_such(monkeypatch):
    through = Article.tags.through
    monkeypatch.setattr(through._meta, "auto_created", False)
    article, tag = Article.objects.create(title="a"), Tag.objects.create(name="t")
    rule = {"signal": "django.db.models.signals.post_*", "senders": ["foo.*"]}
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [rule]}), recording():
        article.tags.add(tag)
        article.tags.remove(tag)
        async_to_sync(article.tags.aset)([tag])
        assert listed() == []
        through.objects.update(tag=tag)
    assert [row[1] for row in listed()] == ["update"]


def test_command_that_missed_nothing_is_not_told_how_to_record(capsys):
    call_command("signals", "--missed", "check")
    said = capsys.readouterr()
    assert "Writes that sent no signal: none." in said.out
    assert "Nothing was recorded" not in said.out + said.err


def test_that_there_are_none_is_not_said_where_nothing_was_recorded(capsys):
    call_command("signals", "--missed")
    assert capsys.readouterr().out.startswith("Nothing was recorded")
    call_command("signals", "--missed", "--format", "json")
    said = capsys.readouterr()
    assert json.loads(said.out) == []
    assert said.err.startswith("Nothing was recorded")


def test_nothing_is_recorded_before_or_after():
    before = QuerySet.update
    with recording():
        assert QuerySet.update is not before
    assert QuerySet.update is before
    Article.objects.bulk_create([Article(title="a")])
    assert listed() == []


def test_middleware_records_what_requests_write(settings, monkeypatch):
    for name in missed.WRITES:
        monkeypatch.setattr(QuerySet, name, getattr(QuerySet, name))
    settings.MIDDLEWARE = ["publisher.missed.MissedWritesMiddleware"]
    Client().get("/nowhere/")
    Article.objects.bulk_create([Article(title="a")])
    recorded = QuerySet.update
    Client().get("/nowhere/")
    assert QuerySet.update is recorded
    Article.objects.update(title="b")
    assert sorted(row[1] for row in listed()) == ["bulk_create", "update"]


def test_command_lists_them_and_says_how_to_record():
    out = StringIO()
    call_command("signals", missed=True, stdout=out)
    assert "MissedWritesMiddleware" in out.getvalue()
    with recording():
        Article.objects.bulk_create([Article(title="a")])
    out = StringIO()
    call_command("signals", missed=True, format="json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert row["where"].startswith("tests/publisher/test_missed.py:")
    assert (row["model"], row["unsent"], row["rows"]) == ("foo.Article", "post_save", 1)


def test_command_records_what_another_one_writes():
    out = StringIO()
    code = "from tests.foo.models import Article; Article.objects.bulk_create([Article(title='a')])"
    call_command("signals", "--missed", "--format=json", "--", "shell", "-c", code, stdout=out)
    (row,) = json.loads(out.getvalue())
    assert (row["model"], row["method"]) == ("foo.Article", "bulk_create")


def test_line_of_async_code_is_said_not_to_be_known():
    async def write():
        await Article.objects.abulk_create([Article(title="a")])

    with recording():
        async_to_sync(write)()
    assert [row.where for row in missed.missed()] == [missed.ASYNC]


def test_write_is_not_disturbed_when_nothing_can_be_recorded(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(missed, "RECORD", tmp_path / "nowhere" / "missed.jsonl")
    with recording():
        Article.objects.bulk_create([Article(title="a")])
    assert Article.objects.count() == 1
    assert "missed write not recorded" in caplog.text


def test_other_command_is_refused_without_the_option():
    with pytest.raises(CommandError, match="--missed -- shell"):
        call_command("signals", "shell")
