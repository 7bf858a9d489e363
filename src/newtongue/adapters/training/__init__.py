"""Training loops: the Trainer, adapters of low rank, exact resume."""
