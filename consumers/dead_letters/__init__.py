"""What handlers gave up on: looked at, rehearsed, replayed, discarded."""
