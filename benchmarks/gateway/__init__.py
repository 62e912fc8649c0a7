"""What live calls cost: ``python -m benchmarks.gateway``."""
