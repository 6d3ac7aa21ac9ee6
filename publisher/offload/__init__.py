"""Receivers that exist, out of the process: OFFLOAD."""
