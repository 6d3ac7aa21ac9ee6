"""`manage.py contract` keeps the file, and tells what became of it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from publisher.contract.document import contract

SAVE = "django.db.models.signals.post_save"


def run(*arguments):
    """Exit code, what is printed, and what is said beside it."""
    out, err = StringIO(), StringIO()
    try:
        call_command("contract", *arguments, stdout=out, stderr=err)
    except SystemExit as exc:
        return exc.code, out.getvalue(), err.getvalue().strip()
    return 0, out.getvalue(), err.getvalue().strip()


def test_command_writes_the_file_and_tells_what_a_change_would_break(forward, tmp_path):
    file = tmp_path / "asyncapi.json"
    asked = ["--file", str(file)]
    rule = {"signal": SAVE, "senders": ["foo.article", "foo.tag"]}
    forward(rule)
    code, out, err = run(*asked, "--check")
    assert (code, out) == (1, "")
    assert err == f"There is no {file}. `manage.py contract --write` makes it: version 1.0, 2 channels."
    assert not file.exists()
    assert run(*asked, "--write") == (
        0, "", f"{file} is written: version 1.0, 2 channels."
    )  # fmt: skip
    assert json.loads(file.read_text()) == contract()
    code, out, err = run(*asked, "--check")
    assert (code, err) == (0, f"{file} is up to date: version 1.0, 2 channels.")
    forward({**rule, "omit_fields": {"foo.article": ["title"]}})
    code, out, err = run(*asked, "--check")
    assert code == 1
    assert "breaks" in out
    assert "kwargs.instance.fields.title" in out
    assert err == f"{file} is out of date. `manage.py contract --write` writes version 2.0, 2 channels."
    assert run(*asked)[0] == 0
    code, out, _ = run(*asked, "--format", "json")
    assert [row["change"] for row in json.loads(out)] == ["is gone"]
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.0"
    forward(rule)
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.1"
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.1"


def test_without_a_file_programs_get_the_document(forward, tmp_path):
    document = forward({"signal": SAVE, "senders": ["foo.tag"]})
    code, out, _ = run("--file", str(tmp_path / "none.json"), "--format", "json")
    assert (code, json.loads(out)) == (0, document)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"info": {"version": "1.0"}, "channels": {"a": 5}}', '"text"'],
)  # fmt: skip
def test_file_that_is_no_contract_is_left_alone(forward, tmp_path, text):
    forward({"signal": SAVE, "senders": ["foo.tag"]})
    file = tmp_path / "asyncapi.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="is no contract that this command wrote") as caught:
        run("--file", str(file), "--write")
    assert caught.value.returncode == 2
    assert file.read_text() == text


@pytest.mark.parametrize("version", ["1.0.0", "2", "v1", "", "1.x", "-1.0", 1.0, None])
def test_version_that_is_none_is_told(forward, tmp_path, version):
    document = forward({"signal": SAVE, "senders": ["foo.tag"]})
    file = tmp_path / "asyncapi.json"
    file.write_text(json.dumps({**document, "info": {"title": "tests", "version": version}}))
    with pytest.raises(CommandError) as caught:
        run("--file", str(file))
    assert str(caught.value) == (
        f"The version in {file} is {version!r}: write it as major.minor, in quotes, such as '1.0'."
    )
    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("{tmp}/none/asyncapi.json", "(No such file or directory): make its directory"),
        ("/sys/asyncapi.json", "(Permission denied): permit writing to it"),
    ],
)
def test_file_that_cannot_be_written_is_told(forward, tmp_path, file, told):
    forward({"signal": SAVE, "senders": ["foo.tag"]})
    path = file.format(tmp=tmp_path)
    with pytest.raises(CommandError) as caught:
        run("--file", path, "--write")
    assert str(caught.value) == f"{path} cannot be written {told}, or name another file with --file."
    assert caught.value.returncode == 2


def test_check_and_write_are_not_both(tmp_path):
    with pytest.raises(CommandError, match="give one of them"):
        run("--check", "--write", "--file", str(tmp_path / "a.json"))
