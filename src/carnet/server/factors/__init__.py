"""Factors: what an account signs in with besides its password."""
