"""A memory in a worker process of its own: a time limit, a folder of its own, and nobody's globals.

`memory.isolated` turns a memory class into one whose hooks run in a `child`; `channel` carries
plain values between the two, `fence` keeps the child's writes inside its folder.
"""
