"""OFFLOAD: existing receivers are run out of the process, by consumers."""
