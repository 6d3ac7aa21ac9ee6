"""Signals of an app whose receivers are to run elsewhere."""

from django.dispatch import Signal

order_placed = Signal()
order_shipped = Signal()
order_will_be_placed = Signal()
