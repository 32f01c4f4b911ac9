"""The list of mutations is kept with the code: each can be made, and names a test that is there."""

import ast
from collections import Counter

import pytest

from tests.chaos.guards import Guard, edited
from tests.stack.mutations import MUTATIONS
from tests.tree import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_can_be_made_and_has_its_test(mutation: Guard) -> None:
    """The edit applies exactly once, leaves a module that compiles, and names a test that is there."""
    ast.parse(edited(mutation, ROOT))
    path, _, test = mutation.test.partition("::")
    functions = ast.parse((ROOT / path).read_text()).body
    assert test in {getattr(function, "name", "") for function in functions}


def test_every_mutation_has_a_name_of_its_own() -> None:
    """A line of the table is of one change."""
    assert [name for name, number in Counter(item.name for item in MUTATIONS).items() if number > 1] == []
