"""Course run certificates for MITx Online, issued when Open edX says that a learner has passed."""

__version__ = "0.1.0"
