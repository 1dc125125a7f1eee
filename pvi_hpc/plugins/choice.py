"""Sections of a configuration that choose a plug-in and hold its options."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins.faults import read_options
from pvi_hpc.plugins.load import load_plugin, options_of, plugin_names
from pvi_hpc.plugins.settings import Settings

__all__ = ["KindSettings", "NoOptions", "PluginSettings", "load_choice"]


class KindSettings(Settings):
    """A section that holds `kind`, a plug-in's name, and the plug-in's own keys beside it.

    A direct subclass is the section: it names the group of entry points and has the keys of
    every kind. The `Options` of a plug-in are a subclass of that, with the keys of its kind.
    Validating the section gives an instance of the options.
    """

    #: Group of entry points, such as `pvi_hpc.priors`, and the section's name.
    group: ClassVar[str]
    section: ClassVar[str]
    #: Kind of a section that names none.
    default_kind: ClassVar[str | None] = None

    kind: str = Field(description="Name of the plug-in.")

    @classmethod
    def of_kind(cls, kind: str) -> "type[KindSettings]":
        """Return the options of a plug-in; ConfigError where there is none of that name."""
        choice = f"{cls.section}.kind"
        options = options_of(load_plugin(cls.group, kind, choice), f"{choice}: {kind}")
        if not issubclass(options, cls):
            raise ConfigError(
                f"'{choice}: {kind}' is a plug-in whose 'Options' must be a subclass of "
                f"'{cls.__module__}.{cls.__name__}', got '{options.__name__}'."
            )
        return options

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if "group" not in cls.__dict__ or not isinstance(value, Mapping):
            return handler(value)
        kind = value.get("kind", cls.default_kind)
        if kind is None:
            return handler({})  # the one fault that matters
        options = cls.of_kind(str(kind))
        # A key without a value is a key not given, whether or not this kind has it.
        given = {k: v for k, v in value.items() if v is not None or k in options.model_fields}
        try:
            found: Any = options.model_validate({**given, "kind": kind})
        except ValidationError as error:
            raise ValidationError.from_exception_data(
                cls.__name__, [_explain(fault, options) for fault in error.errors()]
            ) from error
        return found  # type: ignore[no-any-return]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        if "group" not in cls.__dict__:
            return handler(core_schema)
        kinds = [cls.of_kind(kind) for kind in plugin_names(cls.group)]
        return {
            "description": f"{cls.__doc__} One of the following, by `kind`.",
            "anyOf": [handler(kind.__pydantic_core_schema__) for kind in kinds],
        }

    @classmethod
    def keys_of_kind(cls, tree: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Return those settings in `tree` that a plug-in of another `kind` has as well.

        A value that is merely the default of its kind is left out: the other has its own.
        """
        new, old = cls.of_kind(kind).model_fields, cls.of_kind(tree["kind"]).model_fields
        return {k: v for k, v in tree.items() if k in new and v != old[k].default}


def _explain(fault: Any, options: type[KindSettings]) -> InitErrorDetails:
    """Return a fault as pydantic takes it, with the keys there are if it has an unknown one."""
    kind: Any = fault["type"]
    if kind == "extra_forbidden" and len(fault["loc"]) == 1:
        kind = PydanticCustomError(
            "unknown_key",
            "is no key of this kind of {section}, which has {known}; correct or remove it",
            {"section": options.section, "known": ", ".join(options.model_fields)},
        )
    return InitErrorDetails(
        type=kind, loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {})
    )


class NoOptions(Settings):
    """The options of a plug-in that has none."""


class PluginSettings(Settings):
    """The choice of a plug-in by its name, and the options of that plug-in.

    A subclass names the group of entry points and gives `kind` a description. The options are
    checked where the plug-in is loaded (`load_choice`), because only the plug-in knows them.
    """

    #: Group of entry points, such as `pvi_hpc.families`.
    group: ClassVar[str]

    kind: str
    options: dict[str, Any] = Field({}, description="Options of that kind.")


def load_choice(choice: PluginSettings, setting: str) -> tuple[Any, Any]:
    """Return the plug-in that a user has chosen, and its options, a checked `Options`.

    Parameters
    ----------
    choice
        Name and options, as the user wrote them.
    setting
        Place where the user wrote them, such as `inference.family`.

    Raises
    ------
    ConfigError
        If there is no such plug-in, it declares no options, or one of them is wrong.
    """
    plugin = load_plugin(choice.group, choice.kind, f"{setting}.kind")
    model = options_of(plugin, f"{setting}.kind: {choice.kind}")
    return plugin, read_options(model, f"{setting}.options", choice.kind, choice.options)
