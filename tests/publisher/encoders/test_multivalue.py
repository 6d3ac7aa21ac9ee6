"""Forms' data, in which a key has several values: there and back, without what must not leave."""

import subprocess
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.datastructures import MultiValueDict

from publisher.wire.redacted import Redacted
from publisher.wire.sent import SentFile
from tests.publisher.encoders.travel import sent, text_of, travelled

SECRET = "planted-secret"
WITHOUT_DJANGO = """
import sys
from publisher.wire.codec import decode
print(decode({"x": %r}, {"kwargs.x": %r}), "django" in sys.modules)
"""


@pytest.mark.parametrize(
    "value",
    [
        QueryDict("a=1&a=2&b=3"),
        QueryDict("form-0.name=x&a=1&a=2"),
        QueryDict("model=a&pk=1&fields=b"),
        QueryDict(""),
        MultiValueDict({"a": ["1", 2, None], "none": []}),
        MultiValueDict({1: [(1, 2)]}),
    ],
    ids=repr,
)
def test_all_values_of_a_key_come_back(value):
    result = travelled({"deep": [value]})["deep"][0]
    assert type(result) is type(value)
    assert dict(result.lists()) == dict(value.lists())


def test_it_is_a_dict_of_lists_in_json():
    assert sent(QueryDict("a=1&a=2")) == ({"a": ["1", "2"]}, {"": "querydict"})
    assert sent(MultiValueDict({"a": ["1", "2"]})) == ({"a": ["1", "2"]}, {"": "multivaluedict"})


def test_query_comes_back_as_one_that_writes_the_same_url():
    assert travelled(QueryDict("a=1&a=2&b=ü")).urlencode() == "a=1&a=2&b=%C3%BC"


@pytest.mark.parametrize("value", [QueryDict("a=1&a=2"), QueryDict("a.b=1&a.b=2")])
def test_consumer_without_django_gets_a_dict_of_lists(value):
    plain, types = sent(value)
    command = [sys.executable, "-c", WITHOUT_DJANGO % (plain, types[""])]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"{ {'x': dict(value.lists())} } False"


@pytest.mark.parametrize("name", ["csrfmiddlewaretoken", "token", "password1", "user.password"])
def test_all_values_of_a_secret_key_stay_here(name):
    value = QueryDict(f"a=1&a=2&{name}={SECRET}&{name}=x&{name}={SECRET}")
    assert SECRET not in text_of(value)
    assert dict(travelled(value).lists()) == {"a": ["1", "2"]}
    assert sent(value)[1][name] == "dropped"


@pytest.mark.parametrize("query", ["name=API_KEY&name=x&value=1", "name=x&name=API_KEY&value=1&value=2"])
def test_values_stay_here_when_one_of_the_names_beside_them_is_a_secrets(query):
    assert travelled(QueryDict(query)).keys() == {"name"}


def test_each_value_is_redacted_when_its_key_is():
    value = QueryDict(f"email=ada@example.com&email=&a={SECRET}")
    result = travelled(value, redact=(("email", "mask"), ("a", "hash")))
    assert result.getlist("email") == ["a***@example.com", "***"]
    assert len(result["a"]) == 32
    assert all(isinstance(one, Redacted) for one in (*result.getlist("email"), result["a"]))


def test_uploads_of_a_form_come_back_as_what_is_known_of_them():
    files = [SimpleUploadedFile(name, b"x") for name in ("a.txt", "b.txt")]
    request = RequestFactory().post("/", {"files": files, "tags": ["a", "b"]})
    assert [type(one) for one in travelled(request.FILES).getlist("files")] == [SentFile, SentFile]
    assert travelled(request.POST).getlist("tags") == ["a", "b"]
