"""Stacks taken apart: the project's own frames told from libraries', in Python and Node, chained errors readable."""

from __future__ import annotations

import time

import pytest

from dashboard.pages.job.frames import package_of, parts

CHAINED = """Traceback (most recent call last):
  File "/app/shop/jobs.py", line 41, in run
    answer = await client.get(url)
             ^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 9, in get
    return await self.send(request)
  File "/usr/lib/python3.12/site-packages/anyio/_core.py", line 3, in send
    raise TimeoutError
TimeoutError

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop/llm.py", line 88, in complete
    raise ShopError("no answer") from error
shop.ShopError: no answer
"""
NODE = """Error: no answer
    at Object.run [as process] (/app/src/jobs.js:4:2)
    at async Worker.processJob (/app/node_modules/bullmq/dist/worker.js:394:28)
    at async /app/node_modules/@acme/pool/index.mjs:1:1
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at file:///app/src/main.mjs:7:1
  [cause]: TypeError: x is undefined"""


def told(stack: str) -> list[str]:
    return [
        part.summary
        if part.kind == "library"
        else f"{part.frame.file}:{part.frame.line} {part.frame.function} {part.frame.code}".rstrip()
        if part.frame
        else part.text
        for part in parts(stack)
    ]


def test_a_chained_python_error_stays_readable_with_its_libraries_folded():
    assert told(CHAINED) == [
        "Traceback (most recent call last):",
        "jobs.py:41 run answer = await client.get(url)",
        "2 frames in httpx, anyio",
        "TimeoutError\n\nThe above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):",
        'llm.py:88 complete raise ShopError("no answer") from error',
        "shop.ShopError: no answer",
    ]


def test_a_node_stack_marks_its_own_frames_and_folds_packages_and_node_itself():
    assert told(NODE) == [
        "Error: no answer",
        "jobs.js:4 Object.run [as process]",
        "3 frames in bullmq, @acme/pool, Node",
        "main.mjs:7",
        "  [cause]: TypeError: x is undefined",
    ]


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("/app/jobs.py", ""),
        ("/app/lib/python_helpers.py", ""),
        ("/usr/lib/python3.11/json/decoder.py", "Python"),
        ("<frozen importlib._bootstrap>", "Python"),
        (r"C:\Python312\Lib\json\decoder.py", "Python"),
        ("/venv/lib/python3.11/site-packages/django/db/models.py", "django"),
        ("/app/node_modules/a/node_modules/@scope/b/x.js", "@scope/b"),
        ("node:internal/modules", "Node"),
        ("<anonymous>", "Node"),
    ],
)
def test_a_file_belongs_to_its_package_or_to_the_project(path, package):
    assert package_of(path) == package


@pytest.mark.parametrize(
    "stack",
    [
        "",
        "\n\n",
        "  at ",
        "    at (((((",
        "  File",
        '  File "' + "x" * 50_000,
        "    at " + "(" * 50_000,
        "a\n" * 50_000,
    ],
)
def test_no_text_makes_it_fail_or_take_long(stack):
    began = time.process_time()
    assert len(parts(stack)) <= 400
    assert time.process_time() - began < 0.5
