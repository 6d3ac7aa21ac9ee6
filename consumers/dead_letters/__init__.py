"""Events that handlers gave up on: they can be looked at, rehearsed, replayed and discarded."""
