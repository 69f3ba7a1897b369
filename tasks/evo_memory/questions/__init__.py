"""Single-turn subsets: published questions, one module each; `bank` is what they share."""
