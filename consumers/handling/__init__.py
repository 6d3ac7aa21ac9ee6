"""Handling one delivery: the handler's call, exactly once in effect, and the outcome. Knows no broker."""
