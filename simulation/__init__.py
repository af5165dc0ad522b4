"""A deterministic simulation of the service: its own code in a world that a seed decides."""
