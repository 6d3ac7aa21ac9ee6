"""How the bridge's processes end, for supervisors: beside 0 and 1."""

EXIT_USAGE = 2
EXIT_CONFIG = 78  # sysexits.h: only a person can mend it
