"""The words every layer shares: artefact, config, context, budget, error. Standard library and pydantic only."""
