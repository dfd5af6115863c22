"""The proofs, and the provider that they talk to."""
