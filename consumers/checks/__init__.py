"""System checks of the handlers."""
