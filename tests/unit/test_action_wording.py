"""The sentences of bulk work."""

import pytest

from queues.actions.counting import Count
from queues.actions.wording import question, report
from queues.states import State


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("retry-all", State.FAILED, Count(37, 37), 0), "Retry 37 failed jobs."),
        (("retry-all", State.FAILED, Count(1, 1), 0), "Retry 1 failed job."),
        (("clean", State.COMPLETED, Count(1200, 9000), 86_400_000), "Remove 1,200 completed jobs older than 1 day."),
        (("clean", State.WAITING, Count(2, 9), 7_200_000), "Remove 2 waiting jobs older than 2 hours."),
        (("clean", State.WAITING, Count(2, 9), 90_000), "Remove 2 waiting jobs older than 90 seconds."),
        (("clean", State.FAILED, Count(0, 9), 60_000), "There are no failed jobs older than 1 minute to remove."),
        (("clean", State.DELAYED, Count(9, 99_999, True), 0), "Remove at least 9 of 99,999 delayed jobs."),
        (
            ("promote-all", State.DELAYED, Count(3, 5, False, 2), 0),
            "Promote 3 delayed jobs. 2 jobs stay: they are the next runs of schedulers.",
        ),
    ],
)
def test_the_question_says_what_it_touches(given, said):
    assert question(*given) == said


def test_the_report_says_what_became_of_it():
    assert report("retry-all", State.FAILED, 1, 0, ()) == "1 failed job retried"
    assert report("clean", State.FAILED, 2000, 3, ("a", "b")) == "2,000 failed jobs removed, 3 skipped (a; b)"
