"""Bridges to other ways of running code, each with requirements of its own."""
