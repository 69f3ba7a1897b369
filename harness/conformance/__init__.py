"""Checks that any task or method can run on itself, and what is missing where one fails.

In a test of your own package::

    from harness.conformance import check_method, check_task

    def test_my_memory():
        assert check_method("file:./my_memory.py#MyMemory") == []

or from a shell: ``python -m harness.conformance method my-memory``, ``python -m harness.conformance
task my-task subset=small``.
"""

from harness.conformance.methods import check_method
from harness.conformance.tasks import check_task

__all__ = ["check_method", "check_task"]
