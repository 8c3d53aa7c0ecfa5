"""Chapter 1: sequence models, before attention."""
