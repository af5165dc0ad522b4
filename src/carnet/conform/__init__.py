"""Checks how an issuer behaves, any issuer, against OAuth's and OpenID Connect's specifications."""
