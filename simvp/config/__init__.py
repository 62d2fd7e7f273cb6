"""Settings: definition of all keys, merging of TOML files and options, and rendering."""

from simvp.config.loading import Layer as Layer
from simvp.config.loading import assignment_layer as assignment_layer
from simvp.config.loading import option_layer as option_layer
from simvp.config.loading import origins as origins
from simvp.config.loading import parameter_layer as parameter_layer
from simvp.config.loading import read_layer as read_layer
from simvp.config.loading import resolve as resolve
from simvp.config.loading import run_layers as run_layers
from simvp.config.rendering import describe as describe
from simvp.config.rendering import name_option as name_option
from simvp.config.rendering import to_toml as to_toml
from simvp.config.sections import Config as Config
from simvp.config.sections import all_keys as all_keys
from simvp.config.sections import section_types as section_types
