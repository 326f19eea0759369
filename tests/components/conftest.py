"""What all tests of components share."""

from collections.abc import Callable

import pytest

from stackc.components.base import Component, Misfit
from stackc.types import TensorType

Refused = Callable[..., Misfit]


@pytest.fixture
def refused() -> Refused:
    """Runs a signature that has to be refused and returns the Misfit."""

    def refuse(component: Component, *inputs: TensorType | None) -> Misfit:
        with pytest.raises(Misfit) as caught:
            component.signature(*inputs)
        return caught.value

    return refuse
