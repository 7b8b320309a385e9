"""``tf.keras.initializers``: Calor's initializers, as classes and by their older names."""

from calor import initializers
from calor.compat._absent import outside
from calor.compat._from_keras import adopt
from calor.models.weights_file import snake_case

_made = adopt(globals(), initializers, leave=("Initializer",))
_older = {snake_case(name): name for name in _made if snake_case(name) != name}
for _name, _class in _older.items():
    globals()[_name] = globals()[_class]

get = initializers.get

__all__ = ["get", *_made, *_older]

__getattr__ = outside(globals())
