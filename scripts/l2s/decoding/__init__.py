"""The decoding stage: prompts, engines, and the store of responses."""
