"""The authentication service: the one place that holds private keys, accounts and sessions."""
