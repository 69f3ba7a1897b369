"""MUSE: news or books to be forgotten. The task is `harness_tasks.unlearning.muse.task`."""
