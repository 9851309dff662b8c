"""`TORIL["METRICS"]`: who is trusted, and of which queues is told."""

import pytest

from queues.errors import ConfigurationError
from queues.options import load
from queues.options.metrics import MetricsOptions, metrics


@pytest.mark.parametrize(
    ("address", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("fd00::1", True),
        ("fd00::1%eth0", True),
        ("fe80::1", False),
        ("::1", False),
        ("", False),
        ("unix:", False),
        ("10.1.2.3, 10.1.2.4", False),
    ],
)
def test_an_address_is_trusted_where_a_network_holds_it(address, is_trusted):
    told = metrics({"NETWORKS": ["10.0.0.0/8", "192.0.2.7", "fd00::/8"]})
    assert told.trusts(address) is is_trusted
    assert not MetricsOptions().trusts(address)


def test_queues_are_told_of_by_pattern():
    told = metrics({"QUEUES": ["mail-*", "chat"]})
    assert [told.shows(name) for name in ("mail-a", "chat", "chat-2")] == [True, True, False]
    assert MetricsOptions().shows("anything")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"NETWORKS": ["10.0.0.1/8"]}, "['METRICS']['NETWORKS']"),
        ({"NETWORKS": ["everybody"]}, "['METRICS']['NETWORKS']"),
        ({"NETWORKS": "10.0.0.0/8"}, "['METRICS']['NETWORKS']"),
        ({"QUEUES": [5]}, "['METRICS']['QUEUES']"),
        ({"NETWORK": []}, "NETWORK"),
        ("10.0.0.0/8", "['METRICS']"),
    ],
)
def test_a_mistake_names_its_key(value, named):
    with pytest.raises(ConfigurationError) as caught:
        load({"METRICS": value})
    assert named in str(caught.value)
