"""Stream methods: agents, memories, controls, and the pairs that a paper names."""
