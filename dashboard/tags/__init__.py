"""Tag libraries of our own templates. Django finds none here by itself: `dashboard.drawing` names them."""
