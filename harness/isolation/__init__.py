"""A memory in a worker process of its own: a time limit, a folder of its own, and nobody's globals.

`memory.isolated` turns a memory class into one whose hooks run in a `child`; `channel` carries
plain values between the two, `fence` keeps the child's writes inside its folder and its connections
on the loopback, where `endpoint` serves the model to packages that bring a client of their own.
"""
