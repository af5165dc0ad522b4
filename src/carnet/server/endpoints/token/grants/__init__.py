"""The grants of the token endpoint, a module each, which is read from top to bottom.

Each takes the request and its form, and gives the content of the answer: it authenticates the
client, reads the parameters, decides what may be given, uses up the DPoP proof and after it what
was presented, and makes the tokens.
"""
