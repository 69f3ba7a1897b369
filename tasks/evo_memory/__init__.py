"""Evo-Memory (arXiv 2511.20857): how an agent's memory evolves over a stream of tasks."""
