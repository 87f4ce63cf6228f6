"""What every engine that is made from a cell's graph shares: plan, rows, schedule, operators."""
