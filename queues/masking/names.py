"""Which names are those of secrets: `password`, `userPassword`, `x-api-key`, `STRIPE_KEY`; not `max_tokens`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from queues.options import get_options

#: Names, their words joined: `api_key`, `apiKey` and `API-Key` are `apikey`.
NAMES = frozenset(
    "password passwords passwd pwd passphrase passcode passwort secret secrets token authorization authentication"
    " apikey apikeys apitoken accesskey accesskeys privatekey privatekeys secretkey signingkey encryptionkey masterkey"
    " sshkey authkey accountkey sharedkey licensekey credential credentials cookie cookies jwt bearer signature"
    " sessionid sessionkey session connectionstring otp totp card cards cardnumber creditcard cvv cvc cvv2 cvc2 csc"
    " ssn socialsecurity socialsecuritynumber iban pin".split()
)
#: Secret only where they are the whole name: as a part they say too little.
WHOLE = frozenset({"pass", "auth", "pin", "session", "otp"})
#: In a word that is written without joints, `userpassword`.
STEMS = (
    "password", "passwd", "passphrase", "secret", "apikey", "privatekey", "authorization", "credential", "accesstoken",
    "refreshtoken", "authtoken", "sessiontoken", "bearertoken",
)  # fmt: skip
INNOCENT = frozenset({"passwordless", "secretary", "secretaries"})
#: What ends in one of these tells something about a secret, not the secret: `token_count`, `password_changed_at`.
TAILS = frozenset(
    "count counts limit limits type types usage used length size expiry expires expired expiration ttl at in on id ids"
    " name names hint policy budget rate price cost per brand reset required enabled version algorithm format field"
    " fields status state error errors strategy ratio scope scopes kind index offset position js mjs cjs jsx ts tsx"
    " py rb php ex exs go java kt rs vue cs html css".split()
)
#: These are counted as often as they are secret (`tokens: 512`): their texts are, their numbers are not.
COUNTED = frozenset({"tokens"})
LONGEST_NAME = 200
_ANYWHERE = NAMES - WHOLE
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]+|[^\W\d_a-zA-Z]+")
_MOST_WORDS, _LONGEST_RUN = 24, 3


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say beyond the above; `settings_names` is the rule of Django's own error pages."""

    more: frozenset[str] = frozenset()
    fewer: frozenset[str] = frozenset()
    settings_names: re.Pattern[str] | None = None


def rules() -> Rules:
    """The process's, from `TORIL["MASK_KEYS"]`, `TORIL["UNMASKED_KEYS"]` and Django's filter of error pages."""
    # Only where something is drawn: the module brings Django's error pages along.
    from django.views.debug import get_default_exception_reporter_filter

    options = get_options()
    return _rules(options.mask_keys, options.unmasked_keys, get_default_exception_reporter_filter().hidden_settings)


@lru_cache(maxsize=8)
def _rules(more: tuple[str, ...], fewer: tuple[str, ...], pattern: re.Pattern[str]) -> Rules:
    return Rules(frozenset(map(_joined, more)), frozenset(map(_joined, fewer)), pattern)


def kind_of(name: str, told: Rules) -> str:
    """`secret`; `counted`, where only texts are; or nothing."""
    return _kind_of(name[:LONGEST_NAME], told)


@lru_cache(maxsize=8192)
def _kind_of(name: str, told: Rules) -> str:
    words = _words(name)
    if not words:
        return ""
    whole = "".join(words)
    if whole in told.fewer:
        return ""
    if whole in WHOLE or whole in told.more or _named(words, told.more):
        return "secret"
    if _is_settings_name(name, told):
        return "secret"
    if words[-1] in COUNTED:
        return "counted"
    if words[-1] in TAILS and len(words) > 1:
        return ""
    return "secret" if _named(words, _ANYWHERE) or any(map(_holds_stem, words)) else ""


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)[:_MOST_WORDS]]


def _joined(name: str) -> str:
    return "".join(_words(name))


def _named(words: list[str], names: frozenset[str]) -> bool:
    """Whether some words that follow each other are one of these names."""
    return any(
        "".join(words[start:end]) in names
        for start in range(len(words))
        for end in range(start + 1, min(start + _LONGEST_RUN, len(words)) + 1)
    )


def _holds_stem(word: str) -> bool:
    return word not in INNOCENT and any(stem in word for stem in STEMS)


def _is_settings_name(name: str, told: Rules) -> bool:
    """Settings and variables are written in capitals; other names `key` and `api` would hide too much of."""
    return bool(told.settings_names and len(name) > 2 and name.isupper() and told.settings_names.search(name))
