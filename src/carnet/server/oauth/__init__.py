"""Authorization requests, and the codes that answer them."""
