"""A depth-recurrent transformer: options, network, training and the solver around them."""
