"""Checkpoints on disk: safetensors headers, positioned reads and writes, manifests, and finding or fetching weights."""
