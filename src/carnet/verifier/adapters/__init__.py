"""The verifier in web frameworks, one file for each."""
