"""Files and arrays in, batches out."""
