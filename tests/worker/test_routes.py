"""Where legs and recordings are, and what waits: the farm's tables, without any process."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.media.messages import (
    AddLeg,
    Bridge,
    Hold,
    JoinRoom,
    LeaveRoom,
    Play,
    PretendSource,
    RemoveLeg,
    RtpPlace,
    RtpSource,
    Side,
    TapPoint,
    Unbridge,
)
from callflow.recording.farm_routes import NOBODY, Order, Routes
from callflow.recording.messages import LegNotice, Mask, MoveTaps, StartRecording, StopRecording
from callflow.recording.worker_protocol import AdoptGroup, GroupPacked, PackGroup
from tests.recording.harness import spec, stereo


def rtp(leg: str, worker: int, port: int = 20000) -> AddLeg:
    """A leg that a worker has by its port."""
    return AddLeg(leg, 8000, RtpSource(RtpPlace("127.0.0.1", port, worker)))


def start(id: str, *points: TapPoint) -> StartRecording:
    """A recording of ``points``."""
    return StartRecording(spec(id, taps=points), answered=True, bridged=False)


def read(leg: str) -> TapPoint:
    """What a leg says."""
    return TapPoint(leg, Side.READ)


def pack(orders: list[Order]) -> tuple[int, PackGroup]:
    """The one order to pack among ``orders``."""
    ((worker, message),) = [
        (order.worker, order.message) for order in orders if isinstance(order.message, PackGroup)
    ]
    assert isinstance(message, PackGroup)
    return worker, message


def test_a_leg_lives_where_its_port_is_and_pretend_ones_where_there_is_least_to_do() -> None:
    routes = Routes(3)
    assert routes.send(rtp("a", 2))[0].worker == 2
    assert routes.send(rtp("b", 0))[0].worker == 0
    assert routes.send(AddLeg("c", 8000, PretendSource()))[0].worker == 1
    assert routes.send(Play("a", "p", ()))[0].worker == 2
    assert routes.send(RemoveLeg("a"))[0].worker == 2
    assert [routes.load(worker) for worker in range(3)] == [1, 1, 0]


def test_what_does_not_exist_is_nobodys() -> None:
    routes = Routes(2)
    for command in (
        Play("x", "p", ()),
        RemoveLeg("x"),
        Mask("r"),
        Bridge("x", "y"),
        LegNotice("x", "bridged"),
    ):
        assert routes.send(command) == [Order(NOBODY, command)]


def test_a_bridge_of_two_workers_moves_a_leg_and_waits_for_it() -> None:
    routes = Routes(2)
    routes.send(rtp("a", 0))
    routes.send(rtp("b", 1))
    worker, packing = pack(routes.send(Bridge("a", "b")))
    moved = packing.legs
    assert len(moved) == 1 and worker == {"a": 0, "b": 1}[moved[0]]
    # What touches one of the two waits behind the bridge; what does not, goes on.
    routes.send(rtp("c", 0))
    assert routes.send(Hold("c", True)) != []
    assert routes.send(Hold("a", True)) == []
    assert routes.send(RemoveLeg("b")) == []
    orders = routes.packed(GroupPacked(packing.move, moved, (), b"state"), [7, 8])
    target = 1 - worker
    assert orders[0] == Order(target, AdoptGroup(packing.move, b"state"), (7, 8))
    assert [order.message for order in orders[1:]] == [Bridge("a", "b"), Hold("a", True), RemoveLeg("b")]
    assert {order.worker for order in orders} == {target}
    assert routes.tables == (2, 0, 0)


def test_what_hangs_together_moves_together_and_the_smaller_part_moves() -> None:
    routes = Routes(2)
    for leg, worker in (("a", 0), ("b", 0), ("c", 0), ("d", 1), ("e", 1)):
        routes.send(rtp(leg, worker))
    routes.send(Bridge("a", "b"))
    routes.send(start("r", read("b"), read("c")))
    routes.send(start("s", read("d"), TapPoint("d", Side.WRITE)))
    orders = routes.send(MoveTaps("s", (read("a"), read("d"))))
    worker, packing = pack(orders)
    assert (worker, packing.legs) == (1, ("d",))
    assert routes.send(Mask("s")) == []
    orders = routes.packed(GroupPacked(packing.move, ("d",), ("s",), b"x"), [])
    assert [order.message for order in orders[1:]] == [MoveTaps("s", (read("a"), read("d"))), Mask("s")]
    assert {order.worker for order in orders} == {0}
    assert routes.group("d") == ({"a", "b", "c", "d"}, {"r", "s"})


def test_a_leg_that_comes_later_and_elsewhere_is_not_listened_to() -> None:
    """Its recording is on another worker: it must not be taken for one that moves with the leg."""
    routes = Routes(2)
    routes.send(rtp("a", 0))
    routes.send(start("r", read("a"), read("near"), read("far")))
    routes.send(rtp("near", 0))
    routes.send(rtp("far", 1))
    assert routes.group("far") == ({"far"}, set())
    assert routes.group("a") == ({"a", "near"}, {"r"})


def test_a_bridge_ends_former_ones_before_it_moves_anything() -> None:
    routes = Routes(2)
    for leg, worker in (("a", 0), ("b", 0), ("c", 1)):
        routes.send(rtp(leg, worker))
    routes.send(Bridge("a", "b"))
    orders = routes.send(Bridge("a", "c"))
    assert Order(0, Unbridge("a")) in orders
    assert pack(orders)[1].legs in (("a",), ("c",))


def test_who_joins_a_room_comes_to_its_worker_and_leaves_the_room_it_was_in() -> None:
    routes = Routes(2)
    for leg, worker in zip("abcde", (0, 0, 1, 1, 1), strict=True):
        routes.send(rtp(leg, worker))
    for leg in "ab":
        assert routes.send(JoinRoom(leg, "red"))[0].worker == 0
    for leg in "cd":
        assert routes.send(JoinRoom(leg, "blue"))[0].worker == 1
    orders = routes.send(JoinRoom("c", "red"))
    assert orders[0] == Order(1, LeaveRoom("c"))
    worker, packing = pack(orders)
    assert (worker, packing.legs) == (1, ("c",))
    assert routes.send(JoinRoom("e", "red")) == []  # behind the one on the move
    assert routes.send(JoinRoom("b", "red")) == []
    orders = routes.packed(GroupPacked(packing.move, packing.legs, (), b"state"), [])
    assert [order.message for order in orders[1:3]] == [JoinRoom("c", "red"), PackGroup(2, ("e",))]
    assert routes.packed(GroupPacked(2, ("e",), (), b"state"), [])[1:] == [
        Order(0, JoinRoom("e", "red")),
        Order(0, JoinRoom("b", "red")),
    ]
    assert routes.group("a")[0] == {"a", "b", "c", "e"}
    assert [order.worker for order in routes.send(LeaveRoom("a"))] == [0]
    assert routes.group("a")[0] == {"a"}


def test_a_move_that_fails_gives_the_joining_command_up_and_nothing_else() -> None:
    routes = Routes(2)
    routes.send(rtp("a", 0))
    routes.send(rtp("b", 1))
    _worker, packing = pack(routes.send(Bridge("a", "b")))
    routes.send(Hold("a", True))
    orders = routes.packed(GroupPacked(packing.move, packing.legs, (), b"", "no"), [])
    assert [order.message for order in orders] == [Hold("a", True)]
    assert (routes.worker_of("a"), routes.worker_of("b")) == (0, 1)


def test_a_dead_worker_takes_its_own_with_it_and_frees_who_waited() -> None:
    routes = Routes(2)
    routes.send(rtp("a", 0, 20000))
    routes.send(rtp("b", 1, 30000))
    routes.send(start("r", read("a")))
    worker, _ = pack(routes.send(Bridge("a", "b")))
    routes.send(StopRecording("r", "x"))
    lost, orders = routes.died(worker)
    gone = {0: "a", 1: "b"}[worker]
    assert set(lost.legs) == {gone}
    assert set(lost.recordings) == ({"r"} if gone == "a" else set())
    assert Bridge("a", "b") in [order.message for order in orders]
    assert routes.moving == 0 and routes.tables[2] == 0
    assert routes.least_loaded() != worker
    routes.born(worker)


LEGS = ["a", "b", "c", "d", "e"]
RECORDINGS = ["r", "s"]
commands = st.one_of(
    st.builds(lambda leg, worker: rtp(leg, worker), st.sampled_from(LEGS), st.integers(0, 2)),
    st.builds(RemoveLeg, st.sampled_from(LEGS)),
    st.builds(Bridge, st.sampled_from(LEGS), st.sampled_from(LEGS)),
    st.builds(Unbridge, st.sampled_from(LEGS)),
    st.builds(Hold, st.sampled_from(LEGS), st.booleans()),
    st.builds(JoinRoom, st.sampled_from(LEGS), st.sampled_from(["room", "hall"])),
    st.builds(LeaveRoom, st.sampled_from(LEGS)),
    st.builds(
        lambda id, one, other: start(id, read(one), read(other)),
        st.sampled_from(RECORDINGS),
        st.sampled_from(LEGS),
        st.sampled_from(LEGS),
    ),
    st.builds(
        lambda id, one, other: MoveTaps(id, (read(one), read(other))),
        st.sampled_from(RECORDINGS),
        st.sampled_from(LEGS),
        st.sampled_from(LEGS),
    ),
    st.builds(Mask, st.sampled_from(RECORDINGS)),
    st.sampled_from(["answer", "answer", "answer"]),  # the first worker that was told to pack does so
    st.builds(lambda worker: ("dies", worker), st.integers(0, 2)),
)


class Model:
    """Three workers that know only what they were told, and complain if that cannot be."""

    def __init__(self) -> None:
        self.routes = Routes(3)
        self.legs: list[set[str]] = [set() for _ in range(3)]
        self.packing: list[tuple[int, PackGroup]] = []
        self.room: dict[str, str] = {}
        self.said: dict[str, list[object]] = defaultdict(list)  # by leg, in the order of carrying out

    def take(self, orders: list[Order]) -> None:
        for worker, message, _ in orders:
            if worker == NOBODY:
                continue
            here = self.legs[worker]
            if isinstance(message, PackGroup):
                self.packing.append((worker, message))
                assert set(message.legs) <= here
            elif isinstance(message, AdoptGroup):
                here.update(message.state.decode().split())
            elif isinstance(message, Bridge):
                there = set().union(*self.legs) & {message.a, message.b}
                assert there <= here, "bridged legs live together"
            elif isinstance(message, JoinRoom) and message.leg in here:
                self.room[message.leg] = message.room
                assert self.members(message.room) <= here, "a room's members live together"
            elif isinstance(message, LeaveRoom):
                self.room.pop(message.leg, None)
            elif isinstance(message, AddLeg):
                here.add(message.leg)
            elif isinstance(message, RemoveLeg):
                assert message.leg in here
                here.discard(message.leg)
                self.room.pop(message.leg, None)
            for leg in {getattr(message, name, "") for name in ("leg", "a", "b")} - {""}:
                self.said[leg].append(message)

    def members(self, room: str) -> set[str]:
        return {leg for leg, its in self.room.items() if its == room}

    def answer(self) -> None:
        if self.packing:
            worker, packing = self.packing.pop(0)
            legs = set(packing.legs)
            _, recordings = self.routes.group(packing.legs[0])
            self.legs[worker] -= legs
            state = " ".join(packing.legs).encode()
            self.take(
                self.routes.packed(GroupPacked(packing.move, packing.legs, tuple(recordings), state), [])
            )

    def dies(self, worker: int) -> None:
        for leg in self.legs[worker]:
            self.room.pop(leg, None)
        self.legs[worker].clear()
        self.packing = [(who, what) for who, what in self.packing if who != worker]
        self.take(self.routes.died(worker)[1])
        self.routes.born(worker)


@settings(max_examples=150, deadline=None)
@given(st.lists(commands, max_size=40))
def test_legs_that_hear_each_other_live_together_and_nothing_waits_for_ever(steps: list[object]) -> None:
    model = Model()
    asked: dict[str, list[object]] = defaultdict(list)
    for step in steps:
        if step == "answer":
            model.answer()
        elif isinstance(step, tuple):
            model.dies(step[1])
        else:
            if isinstance(step, Hold):
                asked[step.leg].append(step)
            model.take(model.routes.send(step))
    while model.packing:
        model.answer()
    legs, _, waiting = model.routes.tables
    assert waiting == 0 and model.routes.moving == 0
    assert legs == sum(map(len, model.legs))
    for worker, here in enumerate(model.legs):
        assert all(model.routes.worker_of(leg) == worker for leg in here)
        assert model.routes.load(worker) == len(here)
        for leg in here & model.room.keys():
            assert model.members(model.room[leg]) <= here
            assert model.members(model.room[leg]) <= model.routes.group(leg)[0]
    for leg, said in model.said.items():  # whatever waited, the order for one leg is that of the asking
        holds = [message for message in said if isinstance(message, Hold)]
        wanted = iter(asked[leg])
        assert all(any(hold is other for other in wanted) for hold in holds)


def test_a_closed_recording_binds_no_legs() -> None:
    routes = Routes(2)
    routes.send(rtp("a", 0))
    routes.send(rtp("b", 0))
    routes.send(start("r", *stereo("a"), read("b")))
    assert routes.group("b")[0] == {"a", "b"}
    routes.closed("r")
    assert routes.group("b")[0] == {"b"}
    assert routes.tables == (2, 0, 0)
