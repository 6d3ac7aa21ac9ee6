"""System checks of SIGNAL_BRIDGE: nothing misspelt is skipped in silence."""
