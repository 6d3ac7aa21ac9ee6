"""The writers' notes."""

from tests.chaos.journal import Journal, Note, Outcome, last_attempted, notes


def test_notes_are_read_as_they_were_written(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.note(Outcome.ATTEMPTED, "w:1", "w:2")
    journal.note(Outcome.COMMITTED, "w:1")
    journal.note(Outcome.ROLLED_BACK)
    journal.close()

    assert list(notes(tmp_path / "journal")) == [
        Note(Outcome.ATTEMPTED, "w:1"),
        Note(Outcome.ATTEMPTED, "w:2"),
        Note(Outcome.COMMITTED, "w:1"),
    ]


def test_last_attempt_is_told_until_its_outcome_is_noted(tmp_path):
    path = tmp_path / "journal"
    assert last_attempted(path) is None
    journal = Journal(path)
    journal.note(Outcome.ATTEMPTED, "w:1", "w:2")
    assert last_attempted(path) == "w:2"
    journal.note(Outcome.COMMITTED, "w:1", "w:2")
    assert last_attempted(path) is None
    journal.close()
