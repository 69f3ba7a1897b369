"""What solvers share that read a grid as a sequence of tokens and refine an answer step by step."""
