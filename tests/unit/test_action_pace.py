"""How large a chunk may be."""

from queues.actions.pace import BEGIN, LEAST, MOST, TARGET_S, Pace


def test_it_begins_with_250():
    assert Pace().size == BEGIN == 250


def test_it_shrinks_when_redis_is_held_up_and_grows_while_it_is_not():
    pace = Pace()
    pace.learn(250, TARGET_S * 3)
    pace.learn(250, TARGET_S * 2)
    assert pace.size == 125
    for _ in range(20):
        pace.learn(pace.size, TARGET_S / 10)
    assert pace.size == MOST == 1000


def test_one_long_wait_changes_nothing():
    pace = Pace()
    pace.learn(250, TARGET_S * 0.7)
    pace.learn(250, 10.0)
    pace.learn(250, TARGET_S * 0.7)
    assert pace.size == BEGIN


def test_a_slow_redis_halves_it_at_most_and_never_brings_it_to_nothing():
    pace = Pace()
    pace.learn(250, 10.0)
    pace.learn(250, 10.0)
    assert pace.size == 125
    for _ in range(50):
        pace.learn(pace.size, 10.0)
    assert pace.size == LEAST


def test_a_chunk_that_was_not_full_says_nothing_of_larger_ones():
    pace = Pace()
    pace.learn(3, 0.0)
    assert pace.size == BEGIN


def test_the_way_to_a_far_redis_is_not_counted_as_its_work():
    pace = Pace(latency_s=60.0)
    with pace.chunk(BEGIN, trips=2):
        pass
    assert pace.size > BEGIN
