"""A line of one's own: labels that are certain, a rule tuned to marked calls, and its renewal.

``labels`` finds calls whose class tables prove, ``marks`` reads those that people marked. ``hear``
gives the network's answers to them, ``tune`` fits a rule, ``judge`` compares it with the rule
before on calls that neither has learnt from (``learnt``), and ``guard`` decides whether it may
replace that. ``folder`` holds the line's models.
"""
