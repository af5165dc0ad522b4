"""The grants of the token endpoint, a module each: from what a client presents to an answer."""
