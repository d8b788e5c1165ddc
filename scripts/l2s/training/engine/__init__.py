"""What every training method shares: its contract, recipes, the adapter's way into the weights, the checkpoint."""
