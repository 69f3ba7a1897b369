"""Planning problems as a text environment, worded like AgentBoard (arXiv 2401.13178).

`problem` holds a ground problem and its state changes, `reading` makes one from PDDL files with
unified-planning, `wording` turns literals and actions into sentences and sentences into actions,
`environment` plays an episode, `examples` solves small problems for demonstrations. Only
`reading` imports unified-planning, and only when a problem is read.
"""
