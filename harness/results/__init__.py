"""Results: a journal while a run is under way, parquet tables when it is done."""
