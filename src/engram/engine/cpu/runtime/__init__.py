"""What runs kernels: compiled once, kept on disk, given threads, buffers and packed weights."""
