"""Examples that come with Engram or are made on this machine, so that nothing is downloaded."""
