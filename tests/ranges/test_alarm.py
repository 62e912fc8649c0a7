from audio_model.ranges.alarm import smallest_ranges
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.tree import Node

TEST = ChangeTest()
NOW = 1000.0


def tree(**leaves: tuple[int, int]) -> dict[str, Node]:
    """Nodes whose leaves ``n95213`` have so many calls (recorded, live); those above the sums."""
    nodes: dict[str, Node] = {}
    for name, (recorded, live) in leaves.items():
        key = name.removeprefix("n")
        for length in range(4, len(key) + 1):
            node = nodes.setdefault(key[:length], Node(key[:length], first=NOW, last=NOW))
            node.recent_recorded += recorded
            node.recent_live += live
            node.recorded += recorded
            node.live += live
    return nodes


def found(nodes: dict[str, Node], prefix: str = "9521") -> list[str]:
    return [node.prefix for node in smallest_ranges(nodes, nodes[prefix], TEST, NOW)]


def test_one_guilty_child_is_followed_down_to_the_number() -> None:
    assert found(tree(n95213=(20, 0), n95214=(0, 50))) == ["95213"]
    assert found(tree(n9521307=(20, 0), n9521400=(0, 50))) == ["9521307"]


def test_honest_neighbours_stay_open_beside_several_guilty_ones() -> None:
    nodes = tree(n95213=(20, 0), n95217=(15, 1), n95214=(1, 60), n95215=(0, 40))
    assert found(nodes) == ["95213", "95217"]


def test_who_hops_across_all_children_is_the_range_itself() -> None:
    nodes = tree(**{f"n9521{digit}": (20, 0) for digit in range(10)})
    assert found(nodes) == ["9521"]


def test_few_calls_in_each_of_many_children_are_the_range_itself() -> None:
    nodes = tree(**{f"n9521{digit}": (2, 0) for digit in range(10)})
    assert found(nodes) == ["9521"]


def test_a_suspect_rest_keeps_the_range_whole() -> None:
    nodes = tree(n95213=(30, 0), **{f"n9521{digit}": (3, 0) for digit in (0, 1, 2, 4, 5)})
    assert found(nodes) == ["9521"]


def test_without_children_it_is_the_range_itself() -> None:
    assert found(tree(n9521=(20, 0))) == ["9521"]


def test_few_calls_from_two_of_ten_are_no_chance() -> None:
    assert found(tree(n95213=(4, 0), n95217=(3, 0))) == ["95213", "95217"]
    assert found(tree(n95213=(2, 0), n95217=(2, 0))) == ["9521"]


def test_live_neighbours_are_spared_though_most_are_guilty() -> None:
    leaves = {f"n9521{digit}": (20, 0) for digit in range(8)}
    assert found(tree(**leaves)) == ["9521"]
    assert found(tree(**leaves, n95219=(1, 30))) == [f"9521{digit}" for digit in range(8)]
