"""What the tests stand on: scripted upstreams, rude clients, real processes, and conditions to wait for."""
