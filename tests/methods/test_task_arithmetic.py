"""Task arithmetic."""

RECIPES = [{"scale": 0.7}]


def reference(given, method):
    return add_scaled_sum(given.base, given.task_vectors(), method.scale)


def add_scaled_sum(base, vectors, scale):
    return {name: start + scale * sum(vector[name] for vector in vectors) for name, start in base.items()}
