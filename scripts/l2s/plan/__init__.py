"""What a run will cost before it starts: estimates of its jobs, and how they fill the GPUs."""
