"""From one dispatch of a signal to the bytes of its event: no I/O."""
