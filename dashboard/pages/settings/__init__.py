"""What a browser chose."""
