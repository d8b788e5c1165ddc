"""Published numbers beside ours: `spec` says which files, `published` and `measured` read both sides, `lines` compares,
`findings` are what the published numbers say of themselves, `summary` counts, `write` makes files and pages.
"""
