"""What stands around the apps in development: brokers, databases, and the programs behind `make`."""
