"""Consumers to read and to run, each a script of its own."""
