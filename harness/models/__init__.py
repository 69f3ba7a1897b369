"""What methods work with: chat models, embedders, and the one client that meters them."""
