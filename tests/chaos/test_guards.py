"""The list of guards matches the code; whether their tests notice is shown by `make guards`."""

import ast

import pytest

from tests.chaos.guards import Guard, address, guards
from tests.tree import ROOT


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.name)
def test_every_guard_can_be_removed_and_has_its_tests(guard: Guard) -> None:
    """The edit applies exactly once and leaves a module that compiles, and each named test exists once."""
    ast.parse(guard.edit(ROOT)[1])
    assert [address(test).rpartition("::")[2] for test in guard.tests] == guard.tests
