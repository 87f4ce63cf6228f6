"""Text files, and text as tokens."""
