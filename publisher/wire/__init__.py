"""What publishers and consumers share, without Django: events, their encoding, names, and AMQP."""
