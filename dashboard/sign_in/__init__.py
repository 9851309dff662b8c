"""How people come in: whose word of them is believed, how guessing is slowed, and how long they stay."""
