"""``carnet demo``: the whole system on one machine, with a walk through it."""
