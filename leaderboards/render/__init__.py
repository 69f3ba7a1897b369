"""A built leaderboard as text: `tables` says what is shown, `terminal` and `markdown` write it."""
