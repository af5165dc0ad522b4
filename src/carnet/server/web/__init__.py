"""What endpoints and pages share: reading requests and knowing who sends them."""
