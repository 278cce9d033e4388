"""Names that look alike: those that a slip tells apart, and those that somebody should judge. Found by index."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from extagents.tables.names import Name, shortens

ALIKE = 0.86  # likeness of letters, 0 to 1, from which a pair is doubtful
WORDS_ALIKE = 0.8  # likeness of the words that two names do not share
MOST_IN_BLOCK = 40  # names that share a word or three letters; more say nothing by it
MOST_WIDER = 5  # names that hold all words of a shorter one; of more, none is meant rather than another
_SMALL = frozenset("of the and for in de la du des von van und et y e do da".split())

Pair = tuple[float, int, int]
"""How likely two names seem to be the same, 0 to 1, and their places."""


# ------------------------------------------------------------------ what tells two names apart


def apart(one: Name, other: Name) -> bool:
    """Whether two names that look alike surely mean different things: by a number, a direction, or words like Bank."""
    if one.numbers != other.numbers:
        return True
    if one.directions != other.directions and not (one.chinese and _within(one.key, other.key)):
        return True
    return bool(
        one.parts and other.parts and one.parts != other.parts and not (one.parts < other.parts or other.parts < one.parts)
    )


def _within(one: str, other: str) -> bool:
    return one in other or other in one


def misspelt(one: str, other: str) -> bool:
    """Whether one word is surely the other with a slip: long words with two letters turned round or one letter off inside.

    Short words are mostly different words, and so are those with other endings: Johnson and Johnston, Andersen and Anderson.
    """
    short, long = sorted((one, other), key=len)
    if len(short) < 8 or not (short.isalpha() and long.isalpha()) or one[:2] != other[:2]:
        return False
    start = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    inside = start <= len(short) - 3
    if len(short) == len(long):
        if not inside:
            return False
        if short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]:
            return True
        return len(short) >= 11 and short[start + 1 :] == long[start + 1 :]
    if len(long) - len(short) != 1 or short[start:] != long[start + 1 :]:
        return False
    doubled = start < len(short) and long[start] in (long[start - 1], long[start + 1])
    return doubled or (inside and len(short) >= 11)


# ------------------------------------------------------------------ slips


def slips(names: Sequence[Name]) -> Iterator[tuple[int, int]]:
    """Places of names whose words are the same but for one, which is misspelt in one of them."""
    by_words: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        by_words[name.words].append(place)
    near = _near_words({word for words in by_words for word in words})
    for words, places in by_words.items():
        for at, word in enumerate(words):
            for variant in near.get(word, ()):
                for other in by_words.get((*words[:at], variant, *words[at + 1 :]), ()):
                    for place in places:
                        if place < other and not apart(names[place], names[other]):
                            yield place, other


def _near_words(words: Iterable[str]) -> dict[str, list[str]]:
    """For each word those that are it with a slip: found where they have a letter less in common."""
    shorter: dict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        if 8 <= len(word) <= 40 and word.isalpha():
            for left in {word, *(word[:at] + word[at + 1 :] for at in range(2, len(word)))}:
                shorter[left].append(word)
    near: dict[str, set[str]] = defaultdict(set)
    for together in shorter.values():
        for at, one in enumerate(together[:MOST_IN_BLOCK]):
            for other in together[at + 1 : MOST_IN_BLOCK]:
                if misspelt(one, other):
                    near[one].add(other)
                    near[other].add(one)
    return {word: sorted(others) for word, others in near.items()}


# ------------------------------------------------------------------ doubt


def doubtful(names: Sequence[Name]) -> Iterator[Pair]:
    """Pairs of names that look alike and that nothing tells apart."""
    finders: tuple[Callable[[Sequence[Name]], Iterator[Pair]], ...]
    finders = (_by_letters, _by_words, _by_initials, _by_acronym, _by_chinese)
    for finder in finders:
        yield from finder(names)


def _by_letters(names: Sequence[Name]) -> Iterator[Pair]:
    """Names with like letters, among those that share three letters that few have."""
    from rapidfuzz import fuzz

    blocks: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        padded = f" {name.key} "
        size = 2 if name.chinese else 3
        for gram in {padded[at : at + size] for at in range(len(padded) - size + 1)}:
            blocks[gram].append(place)
    rarest: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for gram, places in blocks.items():
        if 2 <= len(places) <= MOST_IN_BLOCK:
            for place in places:
                rarest[place].append((len(places), gram))
    # Numbers tell names apart: those that have theirs to themselves, like ids, are compared with none.
    bearing = Counter(name.numbers for name in names)
    compared: set[tuple[int, int]] = set()
    for place in sorted(rarest):
        numbers = names[place].numbers
        if bearing[numbers] == 1:
            continue
        for _, gram in sorted(rarest[place])[:8]:
            alike = (other for other in blocks[gram] if other != place and names[other].numbers == numbers)
            compared.update((min(place, other), max(place, other)) for other in alike)
    for one, other in sorted(compared):
        first, second = names[one], names[other]
        left, right = _rest(first.words, second.words), _rest(second.words, first.words)
        score = fuzz.ratio(first.key, second.key, score_cutoff=100 * ALIKE) / 100
        if not left and not right:
            score = max(score, ALIKE)
        elif left and right and score and not first.chinese:
            # In a long name one wholly other word weighs little: what is not shared must be alike by itself.
            score = score if fuzz.ratio(left, right) >= 100 * WORDS_ALIKE else 0.0
        if score and not apart(first, second):
            yield 0.95 * score, one, other


def _rest(words: Sequence[str], others: Sequence[str]) -> str:
    return " ".join(word for word in words if word not in others)


def _by_words(names: Sequence[Name]) -> Iterator[Pair]:
    """Names all of whose words stand in a longer one, if these are few."""
    holding: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        for word in set(name.words) - _SMALL:
            holding[word].append(place)
    for place, name in enumerate(names):
        words = set(name.words) - _SMALL
        if not words or len(name.letters) < 3:
            continue
        rare = min((holding[word] for word in words), key=len)
        if len(rare) > 4 * MOST_IN_BLOCK:
            continue
        wider = [
            other
            for other in rare
            if words < set(names[other].words) and name.key not in names[other].tails and not apart(name, names[other])
        ]
        if len({names[other].key for other in wider}) <= MOST_WIDER:
            for other in wider:
                yield 0.55 + 0.35 * len(name.letters) / len(names[other].letters), place, other


def _by_initials(names: Sequence[Name]) -> Iterator[Pair]:
    """J. Smith and John Smith: the same last word, and the others the same or an initial of each other."""
    by_last: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        words = name.words
        if 2 <= len(words) <= 4 and len(words[-1]) >= 3 and not name.chinese:
            by_last[words[0][0], words[-1], len(words)].append(place)
    for places in by_last.values():
        for at, one in enumerate(places[:MOST_IN_BLOCK]):
            for other in places[at + 1 : MOST_IN_BLOCK]:
                if _initialled(names[one].words, names[other].words):
                    yield 0.88, one, other


def _by_acronym(names: Sequence[Name]) -> Iterator[Pair]:
    """IBM and International Business Machines."""
    initials: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        if len(name.words) > 1 and not name.chinese:
            words = name.words
            for made in {"".join(w[0] for w in words), "".join(w[0] for w in words if w not in _SMALL)}:
                initials[made].append(place)
    for place, name in enumerate(names):
        if 2 <= len(name.capitals) <= 8:
            for other in initials.get(name.letters, ())[:MOST_WIDER]:
                yield 0.84, place, other


def _by_chinese(names: Sequence[Name]) -> Iterator[Pair]:
    """Chinese names that hold or shorten another one, and names of one length with one other character."""
    holding: dict[str, list[int]] = defaultdict(list)
    but_one: dict[tuple[int, str], list[int]] = defaultdict(list)
    keys = {place: name.letters for place, name in enumerate(names) if name.chinese and 2 <= len(name.letters) <= 80}
    for place, key in keys.items():
        for char in set(key):
            holding[char].append(place)
        for at in range(len(key) if len(key) >= 3 else 0):
            but_one[at, key[:at] + key[at + 1 :]].append(place)
    for (_, rest), places in but_one.items():
        for number, one in enumerate(places[:MOST_IN_BLOCK]):
            for other in places[number + 1 : MOST_IN_BLOCK]:
                if not apart(names[one], names[other]):
                    yield 0.6 + 0.3 * (1 - 1 / (len(rest) + 1)), one, other
    for place, key in keys.items():
        rare = min((holding[char] for char in set(key)), key=len)
        if len(rare) > 4 * MOST_IN_BLOCK:
            continue
        wider = [other for other in rare if _holds(keys[other], key) and not apart(names[place], names[other])]
        if len({keys[other] for other in wider}) <= MOST_WIDER:
            for other in wider:
                yield (0.6 if key in keys[other] else 0.5) + 0.3 * len(key) / len(keys[other]), place, other


def _holds(whole: str, key: str) -> bool:
    return len(whole) > len(key) and (key in whole or (whole[0] in key and shortens(key, whole)))


def _initialled(one: Sequence[str], other: Sequence[str]) -> bool:
    return all(a == b or (a[0] == b[0] and 1 in (len(a), len(b))) for a, b in zip(one, other, strict=True))
