"""What the math_verify grader adds to the library: where an answer is found, and spellings that it misreads."""
