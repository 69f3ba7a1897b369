"""WMDP: hazardous knowledge to be forgotten. The task is `harness_tasks.unlearning.wmdp.task`."""
