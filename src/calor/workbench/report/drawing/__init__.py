"""Evidence as drawings: plots in SVG, pictures as data."""
