"""What of a preview is shown: resources, their inputs, and nothing that is nobody's business."""

from typing import Any

from ops.changes import SECRET, UNKNOWN, Change, Value, changes_of
from ops.pulumi import Previewed


def step(operation: str, *, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    """Return one step of a preview, of a queue, as the CLI's JSON has it."""
    type_ = more.pop("type", "aws:sqs/queue:Queue")
    states = {
        name: {
            "type": type_,
            "custom": more.get("custom", True),
            "inputs": inputs,
            "outputs": {"url": "made-up"},
        }
        for name, inputs in (("oldState", old), ("newState", new))
        if inputs is not None
    }
    urn = f"urn:pulumi:production::story-tts::story-tts:stack:Parent${type_}::jobs"
    return {"op": operation, "urn": urn, **states, **more}


def changes(*steps: dict[str, Any]) -> list[Change]:
    """Return what would be shown of these steps."""
    return changes_of(Previewed("production", {"steps": list(steps)}))


def test_an_update_shows_inputs_that_differ() -> None:
    """Old and new value of what changes, by its path; what stays, and what AWS made up, is left out."""
    (change,) = changes(
        step("update", old={"name": "a", "tags": {"x": "1"}}, new={"name": "a", "tags": {"x": "2", "y": "3"}})
    )

    assert (change.operation, change.kind, change.name) == ("update", "aws:sqs:Queue", "jobs")
    assert change.properties == ("tags",)
    assert change.values == (Value("tags.x", '"1"', '"2"'), Value("tags.y", None, '"3"'))


def test_a_document_is_compared_by_its_parts() -> None:
    """One action more in a policy is one line, not a policy twice."""
    (change,) = changes(
        step("update", old={"policy": '{"Action": ["a"]}'}, new={"policy": '{"Action": ["a", "b"]}'})
    )

    assert change.values == (Value("policy.Action[1]", None, '"b"'),)


def test_secrets_stay_hidden_and_unknowns_are_said_to_be() -> None:
    """A secret is as the CLI masks it; what is known later only says so; what is long is cut."""
    (change,) = changes(
        step(
            "update",
            old={"key": "x", "arn": "a", "text": ""},
            new={"key": SECRET, "arn": UNKNOWN, "text": "t" * 500},
        )
    )
    new = {value.path: value.new for value in change.values}

    assert (new["key"], new["arn"]) == (SECRET, "known after the deployment")
    assert new["text"] == f'"{"t" * 119}…'


def test_a_replacement_is_one_change_with_its_reasons() -> None:
    """The three steps of a replacement are told once, with the properties that force it."""
    found = changes(
        step("create-replacement", old={"cpu": "1"}, new={"cpu": "2"}),
        step("replace", old={"cpu": "1"}, new={"cpu": "2"}, diffReasons=["cpu"]),
        step("delete-replaced", old={"cpu": "1"}),
    )

    assert [(change.operation, change.properties) for change in found] == [("replace", ("cpu",))]


def test_what_destroys_stands_first() -> None:
    """Deletions and replacements are read before anything else."""
    found = changes(
        step("update", old={"a": 1}, new={"a": 2}),
        step("create", new={}),
        step("replace", old={"a": 1}, new={"a": 2}),
        step("delete", old={}),
    )

    assert [change.operation for change in found] == ["delete", "replace", "create", "update"]


def test_what_is_no_resource_is_left_out() -> None:
    """Components, the stack and its providers are not in the cloud, and not in the list."""
    assert (
        changes(
            step("create", new={}, type="story-tts:stack:Topic", custom=False),
            step("create", new={}, type="pulumi:pulumi:Stack", custom=False),
            step("create", new={}, type="pulumi:providers:aws"),
        )
        == []
    )


def test_a_list_that_is_emptied_loses_its_items() -> None:
    """What goes is shown as going, without an empty list in its place."""
    (change,) = changes(step("update", old={"actions": ["arn:a"]}, new={"actions": []}))

    assert (change.properties, change.values) == (("actions",), (Value("actions[0]", '"arn:a"', None),))
