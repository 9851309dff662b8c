"""What programs call over HTTP: Bull Board's routes, Toril's own, health, counts and metrics."""
