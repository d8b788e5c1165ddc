"""The configuration that shortens somebody's own model: entries of ``config/`` made from two models and questions."""
