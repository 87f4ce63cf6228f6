"""One file a task: its reader, model shape, loss and measures, bound together."""
