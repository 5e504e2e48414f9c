"""Makes spec/vectors from the protocol's text alone: nothing here imports the program that the vectors try."""
