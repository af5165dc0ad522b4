"""The signing keys and the master key that encrypts them."""
