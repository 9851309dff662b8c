"""A stand's settings for a program that asks faster than anyone may."""

from tests.stand_settings import *  # noqa: F403
from tests.stand_settings import TORIL

TORIL = {**TORIL, "CREDENTIALS": {"RATE": {"MAX": 10_000_000, "WINDOW_S": 1}}}
