"""Certificates as credentials that anybody can verify: Open Badges 3.0, signed here, revocable."""
