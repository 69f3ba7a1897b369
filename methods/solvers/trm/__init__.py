"""The Tiny Recursive Model: options, canvas, network, training and the solver around them."""
