"""What `serve` can be told: by flags, by environment, by a TOML file."""
