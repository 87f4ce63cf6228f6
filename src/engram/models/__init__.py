"""Models: an input mapping, recurrent layers, and a head."""
