"""What the end-to-end tests stand on: starting brokers, talking to them, naming things."""
