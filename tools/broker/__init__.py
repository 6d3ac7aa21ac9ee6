"""A RabbitMQ for this checkout: found, or started."""
