"""What stands around every page, and the ways between them."""
