"""From the outbox to the exchange: the process behind `manage.py relay`."""
