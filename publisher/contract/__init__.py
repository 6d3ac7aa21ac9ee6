"""What leaves, in writing: `manage.py contract`."""
