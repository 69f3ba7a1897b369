"""Corrupted ImageNet. The task is `harness_tasks.imagenet_c.task`."""
