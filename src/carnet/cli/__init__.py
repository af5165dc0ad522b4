"""The command line: ``carnet``."""
