"""Settings of a prior: the keys of every kind, and the way to those of one kind."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from pvi_hpc.grid import Cells, Grid
from pvi_hpc.plugins import Settings, load_plugin, plugin_names

__all__ = ["GROUP", "PriorSettings", "keys_of_kind"]

#: Entry points of priors.
GROUP = "pvi_hpc.priors"


class PriorSettings(Settings):
    """The keys of every prior; `kind` says which other keys there are.

    The `Options` of a prior are a subclass with the keys of its kind. Validating this class
    gives an instance of the subclass, so that all keys are together under `prior`.
    """

    kind: str = Field(description="uniform, normal, matern, or an entry point of priors.")
    fixed_above_m: float | None = Field(
        None, description="Cells above this depth keep the starting model (a water layer)."
    )

    def cells(self, grid: Grid) -> Cells:
        """Return the cells of a grid, those above `fixed_above_m` not active."""
        return Cells.of(grid, self.fixed_above_m)

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls is not PriorSettings or not isinstance(value, Mapping):
            return handler(value)
        if "kind" not in value:
            return handler({})  # the one fault that matters
        options = _options(str(value["kind"]))
        # A key without a value is a key not given, whether or not this kind has it.
        given = {k: v for k, v in value.items() if v is not None or k in options.model_fields}
        try:
            found: Any = options.model_validate(given)
        except ValidationError as error:
            raise ValidationError.from_exception_data(
                cls.__name__, [_explain(fault, options) for fault in error.errors()]
            ) from error
        return found  # type: ignore[no-any-return]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        if cls is not PriorSettings:
            return handler(core_schema)
        kinds = [_options(kind) for kind in plugin_names(GROUP)]
        return {
            "description": "The prior: one of the following, by `kind`.",
            "anyOf": [handler(kind.__pydantic_core_schema__) for kind in kinds],
        }


def keys_of_kind(tree: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return those settings of a prior in `tree` that a prior of another `kind` has as well.

    A value that is merely the default of its kind is left out: the other has its own.
    """
    new, old = _options(kind).model_fields, _options(tree["kind"]).model_fields
    return {k: v for k, v in tree.items() if k in new and v != old[k].default}


def _options(kind: str) -> type[PriorSettings]:
    options: type[PriorSettings] = load_plugin(GROUP, kind, "prior.kind").Options
    return options


def _explain(fault: Any, options: type[PriorSettings]) -> InitErrorDetails:
    """Return a fault as pydantic takes it, with the keys there are if it has an unknown one."""
    kind: Any = fault["type"]
    if kind == "extra_forbidden":
        known = ", ".join(options.model_fields)
        kind = PydanticCustomError(
            "unknown_key",
            "is no key of this kind of prior, which has {known}; correct or remove it",
            {"known": known},
        )
    return InitErrorDetails(
        type=kind, loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {})
    )
