"""What the harness's own work costs an item of a memory stream, and what retrieval costs."""
