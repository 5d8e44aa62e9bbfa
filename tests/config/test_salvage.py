"""What is left of a configuration when its wrong parts are taken out."""

from gateway.config.model import Model
from gateway.config.salvage import salvage


class Leaf(Model):
    size: int


class Tree(Model):
    name: str = "tree"
    trunk: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()


def test_a_wrong_value_is_left_out() -> None:
    """What is right stays, and the wrong value becomes its default."""
    saved = salvage({"name": 7, "leaves": ({"size": 1},)}, Tree, {}, [])

    assert saved == (Tree(leaves=(Leaf(size=1),)), {})


def test_a_value_known_to_be_wrong_is_left_out() -> None:
    """Whoever found a value wrong before can say so."""
    saved = salvage({"name": "oak", "leaves": ()}, Tree, {}, [("name",)])

    assert saved == (Tree(), {})


def test_a_table_without_what_it_needs_is_left_out_whole() -> None:
    """Taking out a required value makes its table incomplete, which then goes too."""
    saved = salvage({"trunk": {"size": "big"}}, Tree, {}, [])

    assert saved == (Tree(), {})


def test_the_elements_that_stayed_are_told() -> None:
    """The second and third of three elements stay, and keep their numbers in the file."""
    saved = salvage({"leaves": ({"size": "big"}, {"size": 2}, {"size": 3})}, Tree, {}, [])

    assert saved == (Tree(leaves=(Leaf(size=2), Leaf(size=3))), {("leaves",): (1, 2)})


def test_nothing_can_be_saved_where_the_whole_is_wrong() -> None:
    """A model that needs what the file lacks altogether cannot be made."""
    assert salvage({}, Leaf, {}, []) is None
