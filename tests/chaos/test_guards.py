"""The list of guards is kept with the code: each is where the list says, and its test exists."""

import ast

import pytest

from tests.chaos.guards import GUARDS, Guard, edited
from tests.tree import ROOT


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_guard_can_be_removed_and_has_its_test(guard: Guard) -> None:
    """The edit applies exactly once, leaves a module that compiles, and names a test that is there."""
    ast.parse(edited(guard, ROOT))
    path, _, test = guard.test.partition("::")
    functions = ast.parse((ROOT / path).read_text()).body
    assert test.partition("[")[0] in {getattr(function, "name", "") for function in functions}
