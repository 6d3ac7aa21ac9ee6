"""Bridges to task queues, each with requirements of its own."""
