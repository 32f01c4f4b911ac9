"""What a task costs: the prices in the settings, and the formula."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stack.config.groups import Group


class CostSettings(Group):
    """Prices for the cost that the worker estimates for each job."""

    vcpu_hour: float | None = Field(default=None, ge=0, examples=[0.04048])
    """price of a vCPU of Fargate, per hour, in your region and for `image.platform`; unset: no estimate"""
    gb_hour: float | None = Field(default=None, ge=0, examples=[0.004445])
    """price of a GB of its memory, per hour"""
    spot_discount: float = Field(default=0, ge=0, le=1)
    """discount of Fargate Spot, such as 0.7, for the share of tasks that the weights of `spot` give it"""

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        missing = [name for name in ("vcpu_hour", "gb_hour") if getattr(self, name) is None]
        if len(missing) == 1:
            message = "a task has a price for its vCPUs and one for its memory; set both or neither"
            raise PydanticCustomError("one_price", message, {"key": missing[0]})
        return self


def task_hour_price(*, cpu: int, memory: int, vcpu_hour: float, gb_hour: float) -> float:
    """
    Return the price of an hour of a Fargate task of `cpu` CPU units and `memory` MiB.

    https://aws.amazon.com/fargate/pricing/ charges for vCPU-hours and GB-hours, by the second.
    """
    return cpu / 1024 * vcpu_hour + memory / 1024 * gb_hour
