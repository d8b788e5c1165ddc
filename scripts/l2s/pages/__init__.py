"""The pages of a results folder: templates, what all pages share, and what writes each kind of page."""
