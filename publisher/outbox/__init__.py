"""The outbox: the tables in which events wait for the relay, each written in the transaction of its signal."""
