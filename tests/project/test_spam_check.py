import pytest

from consumers.examples.spam_check import bait, judge, links, repeats, shouting
from project.demo.visitors import Act, load_visitors

# Those that the spam check gets to see.
COMMENTS = [act for visitor in load_visitors() for act in visitor.acts if act.comment and act.expected != "refused"]


def test_links_counts_each_kind_of_link():
    assert links("see http://a.example, HTTPS://b.example and www.c.example")[0] == 3


def test_links_is_nothing_without_a_link():
    assert links("no link, only http as a word")[0] == 0


def test_repeats_names_the_word_when_it_is_a_quarter_of_the_text():
    assert repeats("Bread bread BREAD, bread! And salt.") == (2, "'bread' 4 times")


def test_repeats_is_nothing_for_short_words():
    assert repeats("the cat and the dog and the bird and the fish")[0] == 0


@pytest.mark.parametrize("text", ["", "!!!", "42"])
def test_repeats_is_nothing_for_a_text_without_words(text):
    assert repeats(text)[0] == 0


def test_shouting_is_mostly_capitals():
    assert shouting("BUY ALL OF OUR WATCHES now")[0] > 0


def test_shouting_is_nothing_when_it_is_short():
    assert shouting("WOW!")[0] == 0


def test_bait_takes_whole_words_only():
    assert bait("seoul is not bait, and neither is loaned")[0] == 0
    assert bait("our SEO")[0] > 0


def test_judge_gives_every_reason():
    judgement = judge("CLICK HERE FOR THE CASINO https://casino.example")
    assert judgement.is_spam
    assert judgement.reasons == ("1 link", "shouting", "'casino', 'click here'")


def test_judge_publishes_a_comment_with_one_link():
    assert not judge("There is a scan of it: https://archive.example/ross").is_spam


@pytest.mark.parametrize("act", COMMENTS, ids=lambda act: act.text[:25])
def test_judge_agrees_with_the_data_file(act: Act):
    assert judge(act.text).is_spam == (act.expected == "spam")


def test_a_third_of_the_data_file_is_spam():
    spam = sum(act.expected == "spam" for act in COMMENTS)
    assert 28 <= len(COMMENTS) <= 36
    assert 0.3 <= spam / len(COMMENTS) <= 0.37
