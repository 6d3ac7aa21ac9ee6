"""`changes: True`: what a save changed."""
