"""Which Toril this is, as workers tell it in their heartbeats."""

VERSION = "0.1.0"
