"""The schema of the stack's settings, laid flat: what the documents and the tests go through."""

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from stack.config import Group, Settings


def leaves(model: type[Group] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its path, as `scaling.max_tasks`, groups opened."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field
