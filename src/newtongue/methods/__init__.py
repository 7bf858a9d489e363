"""Published algorithms as pure functions over text, numbers and arrays; no files, no network, no models."""
