"""Rules over figures: what is wrong for how long, who is told, and when it is over. Asked once per installation."""
