"""Accounts: who may sign in, and how passwords are checked."""
