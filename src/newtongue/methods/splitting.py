"""Which side of the train and held-out border a row stands on, the same in every recipe.

The side is a hash of a group key and nothing else: translations of one document share their key,
so they land on one side whichever corpus, language or recipe they are met in.
The salt and the code list below are frozen: changing either moves text across the border.

Source: ours.
"""

from __future__ import annotations

import re
from hashlib import blake2b

SALT = b"newtongue-split-1"
"""One salt for all recipes, for ever."""
_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu "
    "ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na "
    "nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so "
    "sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
LANGUAGE_CODES = frozenset(_ISO_639_1.split())
"""ISO 639-1, lower case: components of an id that name its language."""
_TAG = re.compile(r"(?<![A-Za-z0-9])[a-z]{3}_[A-Z][a-z]{3}(?:-x-[a-z0-9-]+)?(?![A-Za-z0-9])")
_BORDER = re.compile(r"[/._:#|@\s-]+")


def neutral_id(identifier: str, language: str) -> str:
    """Return an id without the parts that name a language.

    Every ISO 639-1 code, every tag and the row's own ISO 639-3 code is left out where it stands between
    separators, in every language alike, so that `ur/page-7` and `en/page-7` become equal. When nothing else
    is left the id stays as it is.

    Args:
        identifier: Id of a row within its source.
        language: Tag of the row (`urd_Arab`).

    Example:
        >>> neutral_id("wiki/ur/page-7", "urd_Arab"), neutral_id("page-7.eng_Latn", "eng_Latn")
        ('wiki/page/7', 'page/7')
    """
    own = language.split("_")[0]
    parts = [part for part in _BORDER.split(_TAG.sub("/", identifier)) if part]
    kept = [part for part in parts if part not in LANGUAGE_CODES and part != own]
    return "/".join(kept) or identifier


def group_key(group: str, identifier: str, language: str, content: str) -> str:
    """Return the key a row is split by: its group, else its id without the language, else its content.

    Args:
        group: Group stated by the source, or "".
        identifier: Id stated by the source, or "" (a made-up id says nothing about translations).
        language: Tag of the row.
        content: Normalised text of the row.

    Example:
        >>> group_key("", "ur/7", "urd_Arab", "…") == group_key("", "en/7", "eng_Latn", "...")
        True
    """
    if group:
        return group
    return neutral_id(identifier, language) if identifier else content


def split_of(key: str, heldout_fraction: float) -> str:
    """Return `train` or `heldout` for a group key.

    A larger fraction only adds to the held-out side: no key ever comes back to `train`.

    Args:
        key: Group key.
        heldout_fraction: Share of keys on the held-out side, in [0, 1].

    Example:
        >>> split_of("page/7", 0.0), split_of("page/7", 1.0)
        ('train', 'heldout')
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=SALT).digest()
    return "heldout" if int.from_bytes(digest, "big") < heldout_fraction * 2**64 else "train"
