"""Leaderboards as a folder of web pages that opens from disk, and as a page that follows runs."""
