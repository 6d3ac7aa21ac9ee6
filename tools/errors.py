"""The errors of the tools; each message says what to do."""


class ToolError(Exception):
    """Something this machine was asked for cannot be had."""


class InstallError(ToolError):
    """A package could not be installed."""


class StartError(ToolError):
    """A service was started and did not come up."""
