"""The process behind `manage.py consume`: connections, threads, and what goes back and forth."""
