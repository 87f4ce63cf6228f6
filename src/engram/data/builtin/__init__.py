"""Data that need no file: made here, or carried by a library."""
