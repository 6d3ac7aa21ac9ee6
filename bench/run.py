"""One run of the benchmarks: where it happens, and how much of it."""

from dataclasses import dataclass
from typing import Any

from bench.processes import Measurement
from bench.servers import Servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`is_quick` is for trying: smaller numbers, fewer rounds."""

    servers: Servers
    is_quick: bool

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full

    def start(self, function: str, **arguments: Any) -> Measurement:
        """`module:function` in a process of its own."""
        return Measurement(function, self.servers.environment, **arguments)

    def measure(self, function: str, **arguments: Any) -> Any:
        return self.start(function, **arguments).result()
