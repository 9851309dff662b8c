"""One queue: its page, its line among others, what may be done to it."""
