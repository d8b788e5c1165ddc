"""Training of the slow model, for the paper's trained row: one file a method."""
