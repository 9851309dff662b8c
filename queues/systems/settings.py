"""The queues of the five systems as `TORIL["QUEUES"]` takes them; the environment may override (`queue_overrides`)."""

from typing import Any

SECOND = 1_000
MINUTE = 60_000

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S


def exponential(delay_ms: int = SECOND) -> dict[str, Any]:
    return {"type": "exponential", "delay": delay_ms}


#: For queues whose team names no figures: enough to look back on, never growing for ever.
BOUNDED: dict[str, Any] = {
    "remove_on_complete": {"age": DAY_S, "count": 1_000},
    "remove_on_fail": {"age": WEEK_S, "count": 5_000},
}
THREE_TRIES: dict[str, Any] = {"attempts": 3, "backoff": exponential()}

DOCUMENTATION: dict[str, dict[str, Any]] = {
    "curl-generation": {
        "concurrency": 3,
        "limiter": {"max": 5, "duration": SECOND},
        **THREE_TRIES,
        **BOUNDED,
    },
    "embeddings-generation": {
        "concurrency": 5,
        "limiter": {"max": 10, "duration": SECOND},
        **THREE_TRIES,
        **BOUNDED,
    },
}

PAPERS: dict[str, dict[str, Any]] = {
    "institution-extraction": {
        "concurrency": 2,
        "limiter": {"max": 10, "duration": MINUTE},
        **THREE_TRIES,
        **BOUNDED,
    },
    "llm-processing": {"concurrency": 1, "limiter": {"max": 5, "duration": MINUTE}, **THREE_TRIES, **BOUNDED},
    "auto-tagging": {"concurrency": 3, "limiter": {"max": 20, "duration": MINUTE}, **THREE_TRIES, **BOUNDED},
    "author-extraction": {"concurrency": 1, **THREE_TRIES, **BOUNDED},
}

RESEARCH: dict[str, dict[str, Any]] = {
    "chat": {
        "concurrency": 5,
        "limiter": {"max": 10, "duration": MINUTE},
        "attempts": 3,
        "backoff": exponential(1 * SECOND),
        "remove_on_complete": {"age": HOUR_S},
        "remove_on_fail": {"age": DAY_S},
    },
    "deep-research": {
        "concurrency": 3,
        "limiter": {"max": 3, "duration": 5 * MINUTE},
        "attempts": 2,
        "backoff": exponential(5 * SECOND),
        "remove_on_complete": {"age": DAY_S},
        "remove_on_fail": {"age": WEEK_S},
    },
}

SCANS: dict[str, dict[str, Any]] = {
    "scan": {
        "concurrency": 2,
        "limiter": {"max": 5, "duration": 60 * SECOND},
        **THREE_TRIES,
        "remove_on_complete": {"age": DAY_S, "count": 1_000},
        "remove_on_fail": {"age": WEEK_S},
    },
}

PLATFORM: dict[str, dict[str, Any]] = {
    "ai-jobs": {
        "concurrency": 5,
        "attempts": 3,
        "backoff": exponential(2 * SECOND),
        "remove_on_complete": {"age": HOUR_S},
        "remove_on_fail": {"age": WEEK_S},
    },
    "webhooks": {
        "concurrency": 5,
        "attempts": 5,
        "backoff": exponential(2 * SECOND),
        "remove_on_complete": {"age": HOUR_S},
        "remove_on_fail": {"age": WEEK_S},
    },
}

QUEUES: dict[str, dict[str, Any]] = {**DOCUMENTATION, **PAPERS, **RESEARCH, **SCANS, **PLATFORM}

#: `TORIL["LIVE"]`: what the documentation generator's pages listen for, by the names and words that they know; and by
#: which fields of their data the systems' jobs can be followed.
LIVE: dict[str, Any] = {
    "FIELDS": ["conversationId", "messageId", "userId", "pageId", "paperId", "scanId"],
    "EVENTS": {
        "curl-generation": {"NAME": "curl_progress"},
        "embeddings-generation": {
            "NAME": "embedding_progress",
            "STATUSES": {"started": "start", "completed": "complete", "failed": "error"},
        },
    },
}
