"""The part of a preview that is published: resources and their inputs, without secrets and outputs."""

from typing import Any

from ops.changes import SECRET, UNKNOWN, Change, Value, changes_of
from ops.pulumi import Preview


def step(operation: str, *, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    """Return one step of a preview, by default of a queue, as in the CLI's JSON."""
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
    """Return the changes of these steps."""
    return changes_of(Preview("production", {"steps": list(steps)}))


def test_an_update_shows_inputs_that_differ() -> None:
    """A change has the path, old and new value of changed inputs; other inputs and outputs are left out."""
    (change,) = changes(
        step("update", old={"name": "a", "tags": {"x": "1"}}, new={"name": "a", "tags": {"x": "2", "y": "3"}})
    )

    assert (change.operation, change.kind, change.name) == ("update", "aws:sqs:Queue", "jobs")
    assert change.properties == ("tags",)
    assert change.values == (Value("tags.x", '"1"', '"2"'), Value("tags.y", None, '"3"'))


def test_a_document_is_compared_by_its_parts() -> None:
    """An action that is added to a policy is one line, not the policy twice."""
    (change,) = changes(
        step("update", old={"policy": '{"Action": ["a"]}'}, new={"policy": '{"Action": ["a", "b"]}'})
    )

    assert change.values == (Value("policy.Action[1]", None, '"b"'),)


def test_secrets_are_masked_and_unknown_values_named() -> None:
    """A secret keeps the CLI's mask, an unknown value says so, a long one is cut."""
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
    """The three steps of a replacement are one change, with the properties that force it."""
    found = changes(
        step("create-replacement", old={"cpu": "1"}, new={"cpu": "2"}),
        step("replace", old={"cpu": "1"}, new={"cpu": "2"}, diffReasons=["cpu"]),
        step("delete-replaced", old={"cpu": "1"}),
    )

    assert [(change.operation, change.properties) for change in found] == [("replace", ("cpu",))]


def test_the_most_destructive_changes_come_first() -> None:
    """Deletions and replacements come before creations and updates."""
    found = changes(
        step("update", old={"a": 1}, new={"a": 2}),
        step("create", new={}),
        step("replace", old={"a": 1}, new={"a": 2}),
        step("delete", old={}),
    )

    assert [change.operation for change in found] == ["delete", "replace", "create", "update"]


def test_only_cloud_resources_are_listed() -> None:
    """Components, the stack and its providers are left out."""
    assert (
        changes(
            step("create", new={}, type="story-tts:stack:Topic", custom=False),
            step("create", new={}, type="pulumi:pulumi:Stack", custom=False),
            step("create", new={}, type="pulumi:providers:aws"),
        )
        == []
    )


def test_an_emptied_list_shows_its_items_as_removed() -> None:
    """Removed items are listed, without an empty list in their place."""
    (change,) = changes(step("update", old={"actions": ["arn:a"]}, new={"actions": []}))

    assert (change.properties, change.values) == (("actions",), (Value("actions[0]", '"arn:a"', None),))
