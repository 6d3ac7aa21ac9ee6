"""A stand-in for the few pages of Mastodon that the demo needs."""
