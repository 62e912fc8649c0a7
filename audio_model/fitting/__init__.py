"""From answers to calls whose class is known to the rule that decides, and how good it is."""
