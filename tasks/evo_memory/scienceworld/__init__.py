"""ScienceWorld, a text world of school experiments, scored like AgentBoard (arXiv 2401.13178).

`variations` names the experiments and their splits, `simulator` runs the game's Java process,
`environment` plays an episode, `subset` makes items of them. No module imports scienceworld before
a world is opened.
"""
