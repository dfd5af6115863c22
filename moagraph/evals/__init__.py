"""Does it help? Runs of recipes and models over data sets, and what judges say of them."""
