"""The settings of `serve`: flags, environment variables, and a TOML file."""
