"""The relay and those it is compared with: `publish(count, ...)` gives the seconds it took to publish so many events.

Connecting, and what can be prepared before, is not counted. All publish the same bodies, persistent, to the same
exchange and under the same key, which leads to one quorum queue.
"""
