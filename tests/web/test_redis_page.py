"""The Redis page: what an operator must know of it, as far as Redis lets it be known."""

from __future__ import annotations

import pytest
import redis
from django.contrib.auth.models import User

from dashboard.models import QueueGrant
from queues.options import reset_options
from tests.eventually import eventually
from tests.planting import plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/queues/redis"


@pytest.fixture
def own(own_redis, prefix, settings):
    """A connection to a server of this test's own, to be set up as it likes; a client of it."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        yield client
    reset_options()


async def told(browser, path: str = PAGE) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.content
    return text_of(answer.content.decode())


async def test_it_tells_version_memory_persistence_clients_and_replication(admin, own, prefix):
    plant_failed(own, prefix, "chat", 3)
    own.config_set("maxmemory", 512 * 1024 * 1024)
    said = await told(admin)
    version = own.info("server").get("valkey_version") or own.info("server")["redis_version"]
    assert version in said
    assert "Mode standalone" in said
    assert "Ceiling 512 MB" in said
    assert "Eviction policy noeviction" in said
    assert "Append-only file off" in said
    assert "Role master" in said
    assert "Turned away at the ceiling 0" in said
    assert "Redis may drop jobs" not in said


async def test_what_endangers_jobs_is_said_first(admin, own):
    own.config_set("maxmemory", int(own.info("memory")["used_memory"] * 1.05))
    own.config_set("maxmemory-policy", "allkeys-lru")
    said = await told(admin)
    assert "its policy is allkeys-lru, BullMQ needs noeviction" in said
    assert "used: when it is full" in said
    assert "a restart of Redis would lose every job" in said


async def test_each_queue_is_weighed_by_samples_and_says_so(admin, own, prefix):
    plant_failed(own, prefix, "heavy", 20, data="x" * 50_000)
    plant_failed(own, prefix, "light", 20)
    said = await told(admin)
    assert "of 2 queues their own keys were weighed, and 8 jobs" in said
    assert said.index("heavy", said.index("Memory by queue")) < said.index("light", said.index("Memory by queue"))
    weight = said[said.index("heavy", said.index("Memory by queue")) :]
    assert weight.startswith(("heavy 1.0 MB", "heavy 1 MB", "heavy 1,0", "heavy 9", "heavy 1.1 MB"))


async def test_slow_commands_are_shown_cut_and_masked(admin, own, prefix):
    own.config_set("slowlog-log-slower-than", 0)
    own.set("a", '{"password": "hunter2-hunter2", "n": 1}')
    own.set("b", "y" * 5_000)
    own.config_set("slowlog-log-slower-than", -1)
    html = (await admin.get(PAGE)).content.decode()
    assert "<b>SET</b>" in html
    assert "hunter2" not in html
    assert "y" * 61 not in html
    assert "y" * 60 in html


async def test_arguments_are_for_those_who_may_read_every_queues_jobs(transactional_db, own, prefix):
    plant_failed(own, prefix, "open")
    plant_failed(own, prefix, "hidden")
    own.config_set("slowlog-log-slower-than", 0)
    own.get(f"{prefix}:hidden:id")
    own.config_set("slowlog-log-slower-than", -1)
    looks = await signed_in("looks", "view")
    assert "hidden:id" not in (await looks.get(PAGE)).content.decode().partition("Slow commands")[2]
    blinkered = await signed_in("blinkered")
    user = await User.objects.aget(username="blinkered")
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view", "view_payload"])
    said = (await blinkered.get(PAGE)).content.decode()
    assert f"{prefix}:hidden" not in said
    assert "queue/hidden" not in said
    assert "open" in said.partition("Memory by queue")[2]
    assert "<b>GET</b>" in said


async def test_markup_in_names_and_commands_stays_text(admin, own, prefix):
    plant_failed(own, prefix, EVIL)
    own.config_set("slowlog-log-slower-than", 0)
    own.set(EVIL, EVIL)
    own.config_set("slowlog-log-slower-than", -1)
    assert is_inert((await admin.get(PAGE)).content.decode())


async def test_what_is_forbidden_is_named_and_the_rest_is_shown(admin, own, own_redis, settings, prefix):
    plant_failed(own, prefix, "chat")
    own.execute_command(
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-info", "-slowlog", "-memory", "-config"
    )
    url = own_redis.url.replace("redis://", "redis://reader:secret@")
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
    reset_options()
    said = await told(admin)
    assert "This user may not call INFO, SLOWLOG, CONFIG" in said
    assert "may not call MEMORY" in said
    assert "may not call SLOWLOG" in said


async def test_redis_away_is_a_sentence(admin, own, own_redis, prefix):
    plant_failed(own, prefix, "chat")
    await told(admin)
    own_redis.stop()

    async def says_so():
        return "Redis cannot be reached" in await told(admin)

    await eventually(says_so, timeout_s=8)


async def test_the_settings_may_leave_the_page_out(admin, connection, settings):
    settings.TORIL = {**settings.TORIL, "DASHBOARD": {"show_redis": False}}
    reset_options()
    assert (await admin.get(PAGE)).status_code == 404
    assert "queues/redis" not in (await admin.get("/admin/queues/")).content.decode()


async def test_many_who_look_ask_once(admin, connection, client_of_redis):
    await plant_waiting(connection, "chat")
    await told(admin)
    before = client_of_redis.info("commandstats").get("cmdstat_slowlog|get", {}).get("calls", 0)
    for _ in range(5):
        await told(admin)
    after = client_of_redis.info("commandstats").get("cmdstat_slowlog|get", {}).get("calls", 0)
    assert after - before <= 5
