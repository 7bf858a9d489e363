"""Any OpenAI-compatible endpoint, and the ledger that keeps every paid answer."""
