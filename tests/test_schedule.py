"""What a wave reads: what is unread, what is pointed at, the likeliest part of the input, or everything."""

from types import SimpleNamespace
from typing import Any

from extagents.agents.reasoner import Judgement
from extagents.corpus.corpus import Corpus
from extagents.schedule import GATED_SHARE, MORE_SHARE, next_wave
from extagents.settings import Settings
from extagents.types import Document

SHARDS = 100
CORPUS = Corpus.load(
    [
        Document(id="mill", title="Mill", text="The mill of Oskerby was built by Saul Renn."),
        Document(id="bell", title="Bell", text="The bell of Oskerby was cast in Pellow."),
        Document(id="rain", title="Rain", text="It rained all summer long."),
    ],
    cache=False,
)
ANSWERED = Judgement(answer="Oskerby", stable=True, verified=True)


class Pointer:
    """A frontier that points at what it is told to; the best shards are those with the highest positions."""

    def __init__(self, pointed: list[int]) -> None:
        self.pointed = pointed

    def follow(self, **_: Any) -> list[int]:
        return self.pointed

    def order(self, positions: Any) -> list[int]:
        return sorted(positions, reverse=True)


def workspace(pointed: list[int], **changes: Any) -> Any:
    made = {
        "stopped_by": None,
        "fatal": None,
        "frontier": Pointer(pointed),
        "settings": Settings(effort="thorough"),
        "plan": SimpleNamespace(kind="multi_hop", queries=["mill of Oskerby"]),
        "corpus": CORPUS,
        "request": SimpleNamespace(goal="answer"),
        "judged": True,
        "judgement": Judgement(),
        "open_queries": (),
        "fresh": (),
        "continued": (),
        "unread": {},
        "failed": {},
        "phase": 1,
        "wave_tokens": 0,
        "streak": 0,
        "shards": [SimpleNamespace(tokens=4_000) for _ in range(SHARDS)],
        "rounds_of": dict.fromkeys(range(SHARDS), 1),
    }
    return SimpleNamespace(**{**made, **changes})


def test_an_open_question_focuses_beside_the_best_of_what_is_pointed_at():
    wave = next_wave(workspace(list(range(60))))
    assert wave is not None
    assert wave.positions == tuple(range(int(SHARDS * GATED_SHARE)))
    assert [piece.document for shard in wave.focused for piece in shard.pieces] == [0, 1]


def test_without_the_index_order_nothing_is_focused_on():
    wave = next_wave(workspace([4], settings=Settings(effort="thorough", without=frozenset({"best_first"}))))
    assert wave is not None
    assert (wave.positions, wave.focused) == ((4,), ())


def test_where_nothing_is_pointed_at_and_nothing_is_likely_reading_ends():
    assert next_wave(workspace([], corpus=CORPUS, plan=SimpleNamespace(kind="multi_hop", queries=["zebra"]))) is None


def test_the_third_round_reaches_first_what_nobody_read_with_knowledge():
    known = {**dict.fromkeys(range(SHARDS), 1), **dict.fromkeys(range(20, SHARDS), 2)}
    wave = next_wave(workspace([99], phase=2, rounds_of=known))
    assert wave is not None
    assert set(range(20)) < set(wave.positions)
    assert len(wave.positions) == int(SHARDS * MORE_SHARE)
    later = next_wave(workspace([99], phase=3, rounds_of=known))
    assert later is not None
    assert later.positions == (99,)


def test_without_the_gate_everything_is_read_again():
    wave = next_wave(workspace([4], settings=Settings(effort="thorough", without=frozenset({"gate"}))))
    assert wave is not None
    assert wave.positions[0] == 4
    assert sorted(wave.positions) == list(range(SHARDS))


def test_a_settled_question_reads_no_more():
    known = workspace([1, 2], judgement=ANSWERED, rounds_of=dict.fromkeys(range(SHARDS), 2))
    assert next_wave(known) is None


def test_a_question_answered_from_one_fact_reads_only_what_is_pointed_at():
    wave = next_wave(workspace([4, 7], judgement=ANSWERED))
    assert wave is not None
    assert wave.positions == (4, 7)


def test_no_shard_is_read_more_often_than_there_are_rounds():
    spent = {**dict.fromkeys(range(SHARDS), 1), SHARDS - 1: 5, 3: 5}
    wave = next_wave(workspace([3, 4], phase=2, rounds_of=spent))
    assert wave is not None
    assert not {SHARDS - 1, 3} & set(wave.positions)
    assert 4 in wave.positions


def test_an_early_wave_reads_no_more_again_than_anew():
    unread = dict.fromkeys(range(50, SHARDS))
    wave = next_wave(workspace(list(range(50)), unread=unread, settings=Settings(effort="balanced"), wave_tokens=8_000))
    assert wave is not None
    anew = [position for position in wave.positions if position in unread]
    assert anew == [99, 98, 97, 96]
    assert len(wave.positions) == 2 * len(anew)
