"""A signal that is asked about."""

from django.dispatch import Signal

# Sent with `instance`, an order; whoever receives it says whether it may be placed.
order_will_be_placed = Signal()
