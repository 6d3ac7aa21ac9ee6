"""Sends signals out of the process: the rules, the encoders, the outbox and the relay."""
