"""What happens on the blog that no model tells."""

from django.dispatch import Signal

# Sent with `comment`, a Comment that is not saved yet. A receiver that answers False keeps it from being so.
comment_will_be_posted = Signal()

# Sent with `comment`, the Comment, and `reason`, one of forms.FlagForm.REASONS.
comment_flagged = Signal()
