"""The exit codes of the bridge's processes besides 0 and 1."""

EXIT_USAGE = 2
EXIT_CONFIG = 78  # as in sysexits.h: a restart does not help, a person must correct something
