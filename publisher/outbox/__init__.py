"""The outbox: events in the transaction of their write, and what becomes of them there."""
