"""BabyAI as a text environment, worded like AgentBoard (arXiv 2401.13178), played in minigrid.

`levels` names the 112 missions, `world` opens one in minigrid, `observation` and `actions` turn a
view into text and offered actions, `progress` counts an annotator's subgoals, `environment` plays
an episode, `expert` solves easy ones for demonstrations. No module imports minigrid, gymnasium or
numpy before a world is opened.
"""
