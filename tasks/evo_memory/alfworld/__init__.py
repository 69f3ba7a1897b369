"""ALFWorld, household chores in text, scored like AgentBoard (arXiv 2401.13178).

`games` finds the game files that ALFWorld's own downloader fetched and opens one, `environment`
plays an episode, `subset` makes items of them. No module imports alfworld or textworld before a
game is opened.
"""
