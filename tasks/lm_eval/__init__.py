"""lm-eval's multiple-choice tasks, driven by us: its prompts, our model, its metrics.

`requests` builds a task's prompts and computes its metrics, `tokens` turns a context and a
continuation into tokens as lm-eval's own backend does, `adapter` shows one of our models to lm-eval
itself. lm-eval is imported inside functions only.
"""
