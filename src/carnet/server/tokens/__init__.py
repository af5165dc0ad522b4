"""The tokens that the service signs, and what may be used only once."""
