"""Holds the code against the specification in docs/proof: each of its steps is taken by the real one."""
