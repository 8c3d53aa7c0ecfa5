"""Chapter 2: attention."""
