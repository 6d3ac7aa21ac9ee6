"""Documents what a service sends: `manage.py contract`."""
