"""The specification in docs/proof, and TLC, which tries all that can happen in a model of it."""
