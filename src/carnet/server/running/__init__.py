"""Running the service as a program: sockets, processes, signals."""
