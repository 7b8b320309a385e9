"""``tf.keras.metrics``: Calor's metrics, made of the arguments that Keras takes."""

from calor import metrics
from calor.compat._absent import outside
from calor.compat._from_keras import adopt

_name_first = ("name", "dtype")
_named_first = (
    *("BinaryAccuracy", "CategoricalAccuracy", "MeanAbsoluteError", "MeanSquaredError"),
    *("RootMeanSquaredError", "SparseCategoricalAccuracy"),
)

_made = adopt(
    globals(),
    metrics,
    leave=("FunctionMetric", "Metric"),
    positional=dict.fromkeys(_named_first, _name_first)
    | dict.fromkeys(("Precision", "Recall"), ("thresholds", "top_k", "class_id", "name"))
    | {"AUC": ("num_thresholds", "curve", "summation_method", "name")}
    | dict.fromkeys(("SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy"), ("k", "name")),
)

get = metrics.get

__all__ = ["get", *_made]

__getattr__ = outside(globals())
