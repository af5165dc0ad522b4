"""Mail: what is written, the queue in which it waits, and how it is sent."""
