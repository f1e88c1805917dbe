"""How fast the site is, measured on real parts; nothing here is a test."""
