"""The I/O loop that one thread's connections share."""

from collections.abc import Callable

from pika.adapters.select_connection import IOLoop


class Loop:
    """Driven by hand, as pika's BlockingConnection does inside."""

    def __init__(self) -> None:
        self.ioloop = IOLoop()
        self.ioloop.activate_poller()

    def poll(self, timeout_seconds: float) -> None:
        """Do what I/O there is, or wait for some; returns after `timeout_seconds` at the latest."""
        timer = self.ioloop.call_later(timeout_seconds, _nothing)
        try:
            self.ioloop.poll()
            self.ioloop.process_timeouts()
        finally:
            self.ioloop.remove_timeout(timer)

    def wake(self, callback: Callable[[], None] | None = None) -> None:
        """From any thread: end the current `poll`, after calling `callback` in the loop's thread."""
        self.ioloop.add_callback_threadsafe(callback or _nothing)

    def watch(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Wake for this file descriptor too."""
        self.ioloop.add_handler(fd, lambda *_: on_readable(), IOLoop.READ)

    def unwatch(self, fd: int) -> None:
        self.ioloop.remove_handler(fd)

    def close(self) -> None:
        self.ioloop.deactivate_poller()
        self.ioloop.close()


def _nothing() -> None:
    pass
