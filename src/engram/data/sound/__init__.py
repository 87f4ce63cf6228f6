"""Music and sound."""
