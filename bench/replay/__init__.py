"""What bench/scheduling is made of: a recorded load, a worker that serves it, and a simulator that replays it."""
