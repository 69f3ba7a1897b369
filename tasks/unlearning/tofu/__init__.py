"""TOFU: fictitious authors to be forgotten. The task is `harness_tasks.unlearning.tofu.task`."""
