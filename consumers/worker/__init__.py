"""The process behind `manage.py consume`: its connections, its threads, and the deliveries between them."""
