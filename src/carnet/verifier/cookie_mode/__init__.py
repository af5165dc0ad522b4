"""Cookie mode: a browser's tokens are kept where no script can read them."""
