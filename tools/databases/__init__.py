"""Private database servers for the tests: on loopback, in directories of their own, never as root."""
