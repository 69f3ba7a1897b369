"""Image classifiers: the embedded one, timm's, the hub's, and CLIP."""
