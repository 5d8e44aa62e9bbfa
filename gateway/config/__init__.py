"""TOML text to a typed model, or all that is wrong with it at once. Knows nothing of what the settings mean."""
