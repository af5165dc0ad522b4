"""Sessions and the refresh tokens that continue them."""
