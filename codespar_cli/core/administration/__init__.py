"""What commands may ask of a backend beyond its hook: protocols and values, one file per kind."""
