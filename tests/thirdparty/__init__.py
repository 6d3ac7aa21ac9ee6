"""Apps from PyPI under FORWARD ["*"]: visited through their own public views, and met again in another process."""
