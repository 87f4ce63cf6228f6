"""How a training ended, as every task tells it."""

from engram.training.loop import Outcome
from engram.training.run_folder import RunFolder


def describe_outcome(outcome: Outcome, parameters: int) -> str:
    """How a training ended, in a line."""
    how = "stopped" if outcome.interrupted else "finished"
    why = ": validation loss stopped improving" if outcome.stopped_early else ""
    best = (
        ""
        if outcome.best_loss is None
        else f"; best validation loss {outcome.best_loss:.4f} at update {outcome.best_update:,}"
    )
    return (
        f"{how} after {outcome.updates:,} updates{why} ({outcome.seconds:,.0f} s, "
        f"{parameters:,} parameters){best}"
    )


def stopped(run: RunFolder) -> int:
    """Say how a training that was stopped goes on; gives the status to leave with."""
    print(f"nothing is lost; continue with:\n  engram resume {run.path}")
    return 130
