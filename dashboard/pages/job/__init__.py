"""One job: its page, its forms, its story."""
