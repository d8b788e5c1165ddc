"""The rules of the toolkit grader: where an answer is found, how it is normalised, when two answers are equal."""
