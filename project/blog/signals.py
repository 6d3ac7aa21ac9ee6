"""The blog's own signals, for what happens without a save."""

from django.dispatch import Signal

# Sent with `comment`, a Comment that is not saved yet. A receiver that returns False prevents that it is saved.
comment_will_be_posted = Signal()

# Sent with `comment`, the Comment, and `reason`, one of forms.FlagForm.REASONS.
comment_flagged = Signal()
