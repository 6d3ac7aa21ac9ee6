"""Makes the event of one dispatch of a signal, up to its bytes, without I/O."""
