"""What leaves for programs elsewhere: which happenings are told to whom, signed, sent, tried again, listed."""
