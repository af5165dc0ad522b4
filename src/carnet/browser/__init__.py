"""What a browser's session rests on, for the server and for the apps that trust it.

Cookies that no script can read, and the judgement whether a request comes from one's own pages.
"""
