"""The checks, one file for each subject; ``carnet.conform.table`` puts them together."""
