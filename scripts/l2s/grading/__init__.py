"""The grading stage: what became of each response. Every module of ``graders/`` is one grader."""
