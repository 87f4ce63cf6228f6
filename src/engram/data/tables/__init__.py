"""Tables: CSV, TSV, Parquet and JSON lines, read in blocks, with every fault placed."""
