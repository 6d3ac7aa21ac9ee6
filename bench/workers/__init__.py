"""The worker and those it is compared with, each started as its users start it, and each counting what it handled."""
