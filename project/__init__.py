"""The demo: a blog whose reactions run in other processes."""
