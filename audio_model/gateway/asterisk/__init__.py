"""Asterisk: audio from AudioSocket and EAGI, verdicts into its dialplan by AMI and ARI."""
