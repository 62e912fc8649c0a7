"""Calls that come as RTP: forked by rtpengine, or sent by a SIPREC recording client."""
