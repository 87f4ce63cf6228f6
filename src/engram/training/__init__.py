"""The loop, and every remedy that acts while it runs."""
