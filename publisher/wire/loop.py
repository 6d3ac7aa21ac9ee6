"""The I/O loop that the connections of one thread share."""

from collections.abc import Callable

from pika.adapters.select_connection import IOLoop


class Loop:
    """pika's I/O loop, run step by step, as pika's BlockingConnection does inside."""

    def __init__(self) -> None:
        self.ioloop = IOLoop()
        self.ioloop.activate_poller()

    def poll(self, timeout_seconds: float) -> None:
        """Do pending I/O, or wait for some, for at most `timeout_seconds`."""
        timer = self.ioloop.call_later(timeout_seconds, _nothing)
        try:
            self.ioloop.poll()
            self.ioloop.process_timeouts()
        finally:
            self.ioloop.remove_timeout(timer)

    def wake(self) -> None:
        """End the current `poll`. May be called from any thread."""
        self.ioloop.add_callback_threadsafe(_nothing)

    def watch(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Have `poll` also wait for this file descriptor, and call `on_readable` when it is readable."""
        self.ioloop.add_handler(fd, lambda *_: on_readable(), IOLoop.READ)

    def unwatch(self, fd: int) -> None:
        self.ioloop.remove_handler(fd)

    def close(self) -> None:
        self.ioloop.deactivate_poller()
        self.ioloop.close()


def _nothing() -> None:
    pass
