"""What a stream tells beyond its score: transfer, orders, controls, costs, use of the memory.

One module for each table; they take runs with their samples and give frozen dataclasses, which
`harness_leaderboards.streams.tables` writes as cells.
"""
