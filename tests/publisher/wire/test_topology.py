"""What a subscription needs on the broker, as values."""

import pytest

from publisher.wire.topology import (
    NO_LIMIT,
    Binding,
    Exchange,
    Queue,
    Topology,
    answering,
    dead_exchange,
    dead_queue,
    events_exchange,
    published_to,
    subscription,
    waiting,
)


def test_exchange_of_events_is_a_topic_exchange():
    topic = Exchange(name="signals", kind="topic")
    assert events_exchange("signals") == Topology(exchanges=(topic,))
    offload, back = (Exchange(name=f"signals.{name}", kind="direct") for name in ("offload", "return"))
    assert published_to("signals") == Topology(exchanges=(topic, offload, back))


def test_subscription_is_a_quorum_queue_with_dead_letters():
    topology = subscription("signals", "blog.audit", ("db.#", "auth.#"))
    assert topology.exchanges == (
        Exchange(name="signals", kind="topic"),
        Exchange(name="signals.dead", kind="direct"),
        Exchange(name="signals.return", kind="direct"),
    )
    assert {queue.name: queue.arguments for queue in topology.queues} == {
        "blog.audit": {
            "x-queue-type": "quorum",
            "x-delivery-limit": 100,
            "x-dead-letter-exchange": "signals.dead",
            "x-dead-letter-routing-key": "blog.audit.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
        "blog.audit.dead": {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT},
    }
    assert topology.bindings == (
        Binding(exchange="signals.dead", queue="blog.audit.dead", key="blog.audit.dead"),
        Binding(exchange="signals.return", queue="blog.audit", key="blog.audit"),
        Binding(exchange="signals", queue="blog.audit", key="db.#"),
        Binding(exchange="signals", queue="blog.audit", key="auth.#"),
    )


def test_events_wait_in_queues_of_a_fixed_ttl_that_lead_back():
    topology = waiting("signals", (1, 60))
    assert [(exchange.name, exchange.kind) for exchange in topology.exchanges] == [
        ("signals.return", "direct"), ("signals.retry.1s", "fanout"), ("signals.retry.60s", "fanout"),
    ]  # fmt: skip
    assert [queue.arguments["x-message-ttl"] for queue in topology.queues] == [1000, 60_000]
    for queue in topology.queues:
        assert queue.arguments["x-dead-letter-exchange"] == "signals.return"
        # The message's own key is its way back.
        assert "x-dead-letter-routing-key" not in queue.arguments
        assert queue.arguments["x-overflow"] == "reject-publish"


def test_ordered_queue_has_one_consumer_at_a_time():
    queue = subscription("signals", "blog.audit", (), ordered=True).queues[-1]
    assert queue.arguments["x-single-active-consumer"] is True


def test_dead_letters_have_names_of_their_own():
    assert (dead_exchange("signals"), dead_queue("blog.audit")) == ("signals.dead", "blog.audit.dead")


def test_sum_names_everything_once_when_subscriptions_share_it():
    both = subscription("s", "a", ("#",)) + subscription("s", "b", ("#",)) + subscription("s", "a", ("#",))
    assert [exchange.name for exchange in both.exchanges] == ["s", "s.dead", "s.return"]
    assert [queue.name for queue in both.queues] == ["a.dead", "a", "b.dead", "b"]
    assert len(both.bindings) == 6


def test_queue_cannot_be_changed_when_it_was_made():
    with pytest.raises(AttributeError):
        Queue(name="a").name = "other"


def test_key_that_names_a_queue_is_bound_to_the_exchange_of_offloaded_receivers():
    bindings = subscription("signals", "blog.index", ["@blog.index", "auth.#"]).bindings
    assert Binding(exchange="signals.offload", queue="blog.index", key="blog.index") in bindings
    assert Binding(exchange="signals", queue="blog.index", key="auth.#") in bindings


def test_queue_of_questions_is_classic_forgets_and_has_no_dead_letters():
    topology = answering("signals", "blog.may_post", ["blog.will_be_posted.#"])
    assert topology.exchanges == (Exchange(name="signals.ask", kind="topic"),)
    assert topology.queues == (
        Queue(name="blog.may_post", arguments={"x-queue-type": "classic", "x-message-ttl": 60_000}),
    )
    assert topology.bindings == (Binding(exchange="signals.ask", queue="blog.may_post", key="blog.will_be_posted.#"),)
