"""What `publisher` and `consumers` share, without Django: events, their encoding, routing keys, and AMQP."""
