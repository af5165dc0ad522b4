"""Clients, the resources and scopes that they may ask for, and consents."""
