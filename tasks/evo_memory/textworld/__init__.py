"""Generated text games, made and played offline with TextWorld (arXiv 1806.11532).

`games` draws what is to be generated and keeps the compiled games in the cache, `environment` plays
one, `subset` makes items of them. No module imports textworld before a game is opened.
"""
