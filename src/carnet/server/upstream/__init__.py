"""Signing in with other services: what is asked of them, what they say, and whose account it is."""
