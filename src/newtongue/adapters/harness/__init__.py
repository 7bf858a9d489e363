"""Task files in the format of lm-evaluation-harness, read as data, and what can answer them."""
