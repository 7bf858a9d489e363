"""One file per generator: its settings, and its steps as a pure coroutine."""
