"""What encoding one `post_save` costs, beside Django's own serializer."""

from bench.figures import Figure, at_most, compared
from bench.progress import steps
from bench.run import Run

NAME = "encoding"


def run(run: Run) -> list[Figure]:
    with steps("Encoding", 1) as begin:
        begin("a post_save of ten fields")
        taken = run.measure("bench.serializing:measure", rounds=run.size(40, 10), times=500)
    micros = {way: [seconds * 1e6 for seconds in taken[way]] for way in taken}
    name = "encoding a post_save of 10 fields"
    peer = "serializers.serialize"
    return [
        compared(NAME, name, micros["event"], peer, micros["serializers"], unit="µs", bar=at_most(0.4)),
        compared(NAME, f"{name}, at once", micros["event at once"], peer, micros["serializers"], unit="µs"),
    ]
