"""The three shapes of a model: an input mapping, recurrent layers, and a head."""
