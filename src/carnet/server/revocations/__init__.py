"""What is refused before its time, and the stream that tells verifiers."""
