"""The sources stage: models and benchmarks from the Hugging Face hub or from local files, checked."""
