"""Vector code: numbers, loops, products in registers; it knows no cell and no sequence."""
