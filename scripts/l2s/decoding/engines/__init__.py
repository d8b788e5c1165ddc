"""Decoding engines behind one small interface: requests in, completions out, batch by batch."""
