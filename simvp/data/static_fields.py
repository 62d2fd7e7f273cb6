"""Static fields: fields without a time axis, which are repeated for each frame as input."""

from collections.abc import Sequence

from simvp.data.locations import Location
from simvp.data.series import Options
from simvp.errors import ConfigError, did_you_mean


def choose_static(
    path: Location, options: Options, known: Sequence[str], channels: Sequence[str]
) -> tuple[str, ...]:
    """The static fields to use, in order.

    Args:
        path: names the data in messages.
        known: names of the static fields that the data have.
        channels: names of the fields that vary in time.
    Raises: ConfigError if `options.static` names something else, or a field twice, or if
        `options.variables` names a static field.
    """
    for name in options.variables or ():
        if name in known and name not in channels:
            raise ConfigError(
                f"{options.option_of(name)}: {name} of {path} has no time axis; give it to "
                f"the network with --static {name}"
            )
    for name in options.static:
        if name in channels:
            raise ConfigError(
                f"static: {name} of {path} varies in time; give it to the network with --inputs "
                f"{name}, or forecast it with --variables"
            )
        if name not in known:
            raise unknown_static(path, name, known)
        if options.static.count(name) > 1:
            raise ConfigError(f"static: {name} is named twice; name each field once")
    return options.static


def unknown_static(path: Location, name: str, known: Sequence[str]) -> ConfigError:
    """The error for a static field that the data do not have."""
    listed = f"only {', '.join(known)}" if known else "and no other"
    return ConfigError(
        f"static: {path} has no static field {name!r}, {listed}.{did_you_mean(name, known)}"
    )


def unused_note(known: Sequence[str], options: Options) -> list[str]:
    """What is said of static fields, unless the user has chosen some."""
    if not known or options.static:
        return []
    return [
        f"static fields are not used: {', '.join(known)}; give them to the network with --static "
        f"{','.join(known)}"
    ]
