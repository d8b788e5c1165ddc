"""The analysis stage: from grades and responses to tables and figures."""
