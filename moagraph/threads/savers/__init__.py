"""The engine's savers, made to serve any loop and to say in one line what is wrong."""
