"""Image files, and images with captions."""
