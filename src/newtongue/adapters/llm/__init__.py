"""Teachers and judges behind OpenAI-compatible endpoints, and the money they cost."""
