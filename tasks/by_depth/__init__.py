"""Generated problems that take a known number of steps: learned at small depths, asked at all."""
