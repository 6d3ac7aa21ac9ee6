"""Signals out: rules, encoding, the outbox and the relay."""
