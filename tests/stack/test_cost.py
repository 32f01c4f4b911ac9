"""The price of a task, from which the worker estimates what a job cost."""

from typing import Any

import pytest

from stack.config import Settings

PRICES = {"vcpu_hour": 0.04, "gb_hour": 0.005}


@pytest.mark.parametrize(
    ("settings", "price"),
    [
        ({}, None),
        ({"cost": PRICES}, 0.05),
        ({"cost": PRICES, "cpu": 2048, "memory": 8192}, 0.12),
        ({"cost": PRICES | {"spot_discount": 0.7}}, 0.05),
        ({"cost": PRICES | {"spot_discount": 0.7}, "spot": {"spot_weight": 1, "fargate_weight": 0}}, 0.015),
        ({"cost": PRICES | {"spot_discount": 0.6}, "spot": {"spot_weight": 1, "fargate_weight": 2}}, 0.04),
    ],
)
def test_a_task_hour_has_the_price_of_its_size_and_of_its_share_of_spot(
    settings: dict[str, Any], price: float | None
) -> None:
    """Processors and memory have their prices, and tasks on Spot a discount."""
    assert Settings.model_validate(settings).task_hour_price == (price and pytest.approx(price))
