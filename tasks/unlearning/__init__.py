"""Unlearning of language models: the metrics of TOFU, MUSE and WMDP, and logs of other tools."""
