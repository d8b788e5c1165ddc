"""The merge engine: recipes, the contract between engine and methods, and the streaming merge itself."""
