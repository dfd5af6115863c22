"""What all steps share: the base class, the registry, and selection of answers."""
