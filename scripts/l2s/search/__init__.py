"""The search for a merge that is as short as an allowed loss of accuracy permits: ``kind: search`` of studies."""
