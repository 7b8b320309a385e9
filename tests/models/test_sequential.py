"""``Sequential``: shapes, names, weights, and the mistakes that its errors explain."""

import gc
import re

import numpy as np
import pytest

import calor
from calor import layers
from calor.errors import ArgumentError, DataError, ModelStateError, ShapeError, UnknownNameError


def small(**settings):
    return calor.Sequential(
        [layers.Dense(4, activation="relu", input_shape=(3,)), layers.BatchNormalization(), layers.Dense(2)],
        **{"seed": 0, **settings},
    )


def test_shapes_and_names():
    model = small()
    assert model.input_shape == (3,)
    assert model.output_shape == (2,)
    assert model.layer_names == ["dense", "batch_normalization", "dense_1"]
    assert [layer.name for layer in model.layers] == model.layer_names
    assert model.count_params() == 16 + 16 + 10


def test_names_given_and_made_do_not_clash():
    model = calor.Sequential([layers.Dense(1), layers.Dense(1, name="dense_1"), layers.Dense(1)])
    assert model.layer_names == ["dense", "dense_1", "dense_2"]


def test_two_layers_of_one_name():
    with pytest.raises(ArgumentError, match="Two layers are called 'x'"):
        calor.Sequential([layers.Dense(1, name="x", input_shape=(1,)), layers.Dense(1, name="x")])


def test_names_belong_to_the_model():
    """A layer named automatically in one model gets a new name in the next."""
    first = calor.Sequential([layers.Dense(1, input_shape=(1,)), layers.Dense(1)])
    second = calor.Sequential([first.layers[1], layers.Dense(1)])
    second.build((1,))
    assert second.layer_names == ["dense", "dense_1"]


def test_the_ways_to_give_a_shape():
    for model in (
        calor.Sequential([layers.Dense(2, input_shape=[3])]),
        calor.Sequential([calor.Input((3,)), layers.Dense(2)]),
        calor.Sequential([calor.Input(shape=(3,)), layers.Dense(2)]),
    ):
        assert (model.input_shape, model.output_shape) == ((3,), (2,))
    later = calor.Sequential([layers.Dense(2)])
    assert not later.built
    later.build((None, 3))
    assert later.count_params() == 8


def test_the_first_batch_tells_the_shape():
    model = calor.Sequential([layers.Flatten(), layers.Dense(2)])
    assert model.predict(np.zeros((5, 4, 3))).shape == (5, 2)
    assert model.input_shape == (4, 3)


def test_add_gives_the_weights_that_the_list_gives():
    grown = calor.Sequential(seed=0)
    grown.add(layers.Dense(4, activation="relu", input_shape=(3,)))
    first = grown.get_weights()
    grown.add(layers.BatchNormalization())
    grown.add(layers.Dense(2))
    for one, other in zip(grown.get_weights(), small().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(grown.get_weights()[0], first[0])


def test_pop():
    model = small()
    kept = model.get_weights()[:6]
    model.pop()
    assert model.output_shape == (4,)
    for one, other in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)
    model.pop()
    model.pop()
    with pytest.raises(ModelStateError, match="empty"):
        model.pop()


def test_one_seed_gives_one_set_of_weights():
    np.testing.assert_array_equal(small().get_weights()[0], small().get_weights()[0])
    assert not np.array_equal(small().get_weights()[0], small(seed=1).get_weights()[0])
    drawn = small(seed=None)
    np.testing.assert_array_equal(drawn.get_weights()[0], small(seed=drawn.seed).get_weights()[0])


def test_weights_come_in_keras_order_and_go_back():
    model = small()
    weights = model.get_weights()
    assert [array.shape for array in weights] == [(3, 4), (4,), (4,), (4,), (4,), (4,), (4, 2), (2,)]
    np.testing.assert_array_equal(weights[2], np.ones(4))  # gamma, beta, moving mean, moving variance
    np.testing.assert_array_equal(weights[5], np.ones(4))
    changed = [array + 1 for array in weights]
    model.set_weights(changed)
    for one, other in zip(model.get_weights(), changed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_layer_gives_and_takes_its_weights():
    model = small()
    last = model.layers[2]
    last.set_weights([np.full((4, 2), 3.0), np.zeros(2)])
    np.testing.assert_array_equal(last.get_weights()[0], model.get_weights()[6])
    assert model.get_layer("dense_1") is last
    assert model.get_layer(index=-1) is last


def test_a_layer_without_a_model_has_no_weights():
    with pytest.raises(ModelStateError, match="in no model"):
        layers.Dense(1).get_weights()
    model = small()
    layer = model.layers[0]
    del model
    gc.collect()
    with pytest.raises(ModelStateError, match="in no model"):
        layer.get_weights()


def test_predict_takes_what_people_write():
    model = calor.Sequential([layers.Dense(1, input_shape=[1])], seed=0)
    expected = model.predict(np.array([[100.0]], np.float32))
    for inputs in ([100.0], (100.0,), 100.0, [[100.0]], np.array([100.0]), np.array([100])):
        np.testing.assert_array_equal(model.predict(inputs), expected)


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 100, 513, 1100])
def test_predict_of_any_number(count):
    model = small()
    x = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    predictions = model.predict(x)
    assert predictions.shape == (count, 2)
    np.testing.assert_allclose(predictions[-1], model.predict(x[-1:])[0], rtol=1e-5, atol=1e-6)


def test_predict_of_data_sets_and_generators():
    model = small()
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    expected = model.predict(x)
    dataset = calor.Dataset.from_arrays(x, np.zeros(50, np.int32))
    np.testing.assert_allclose(model.predict(dataset.batch(7)), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(dataset.batch(7), memory_limit=0), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(x[i : i + 20] for i in (0, 20, 40)), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(dataset.batch(7), steps=2), expected[:14], rtol=1e-6)


def test_grey_images_may_lack_their_channel():
    model = calor.Sequential([layers.Conv2D(2, 3, input_shape=(8, 8, 1)), layers.Flatten()], seed=0)
    images = np.random.default_rng(0).random((4, 8, 8), np.float32)
    np.testing.assert_array_equal(model.predict(images), model.predict(images[..., None]))


def test_one_example_without_its_batch():
    model = calor.Sequential([layers.Flatten(input_shape=(4, 4, 1)), layers.Dense(1)])
    with pytest.raises(DataError, match=r"x\[None\]"):
        model.predict(np.zeros((4, 4, 1)))


def test_uint8_is_computed_in_float32():
    model = calor.Sequential([layers.Rescaling(1 / 255, input_shape=(2,))])
    predictions = model.predict(np.array([[0, 255]], np.uint8))
    np.testing.assert_allclose(predictions, [[0.0, 1.0]])
    assert predictions.dtype == np.float32


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (
            lambda: [layers.Flatten(input_shape=(4, 4, 1)), layers.Conv2D(2, 3)],
            r"'conv2d'.*'flatten' before it.*\(16,\)",
        ),
        (lambda: [layers.Conv2D(2, 9, input_shape=(4, 4, 1))], "'conv2d'"),
        (lambda: [layers.Dense(3, input_shape=(2,)), layers.MaxPooling2D()], "'max_pooling2d'.*'dense' before it"),
        (lambda: [layers.Reshape((5, 5), input_shape=(3,))], r"'reshape'.*\(3,\)"),
    ],
)
def test_layers_that_do_not_fit(stack, message):
    with pytest.raises(ShapeError, match=message):
        calor.Sequential(stack())


def test_a_shape_that_does_not_fit_leaves_the_layers():
    model = calor.Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(1)])
    with pytest.raises(ShapeError, match="'conv2d'"):
        model.predict(np.zeros((4, 2, 2, 1)))
    assert (len(model.layers), model.built) == (3, False)
    assert model.predict(np.zeros((4, 8, 8, 1))).shape == (4, 1)


@pytest.mark.parametrize("bad", [lambda: layers.Dense(1, name="dense"), lambda: layers.Conv2D(1, 1)])
def test_a_layer_that_cannot_be_added_is_not(bad):
    model = calor.Sequential([layers.Dense(2, name="dense", input_shape=(3,))])
    with pytest.raises((ArgumentError, ShapeError)):
        model.add(bad())
    model.add(layers.Dense(4))
    assert model.layer_names == ["dense", "dense_1"]


def test_an_own_layer_that_fails_is_named():
    class Broken(layers.Layer):
        def apply(self, parameters, state, inputs, *, training, key):
            return inputs @ np.zeros((7, 7)), state

    with pytest.raises(ShapeError, match=r"'broken' \(Broken\) fails on inputs of shape \(3,\)"):
        calor.Sequential([layers.Dense(3, input_shape=(2,)), Broken()])


def test_an_own_layer_that_loses_the_batch():
    class Sum(layers.Layer):
        def apply(self, parameters, state, inputs, *, training, key):
            return inputs.sum(axis=0), state

    with pytest.raises(ShapeError, match="first axis is the batch"):
        calor.Sequential([Sum(input_shape=(3,))])


@pytest.mark.parametrize(
    ("bad", "message"),
    [(layers.Dense, "is a class"), ("dense", "no layer"), (np.tanh, "no layer"), (calor.Input((2,)), "front")],
)
def test_things_that_are_no_layers(bad, message):
    with pytest.raises(ArgumentError, match=message):
        calor.Sequential([layers.Dense(1), bad])


def test_a_layer_twice():
    layer = layers.Dense(3, input_shape=(3,))
    with pytest.raises(ArgumentError, match="in the model already"):
        calor.Sequential([layer, layer])


@pytest.mark.parametrize("what", ["summary", "count_params", "get_weights"])
def test_what_needs_a_shape_says_so(what):
    with pytest.raises(ModelStateError, match="input_shape"):
        getattr(calor.Sequential([layers.Dense(1)]), what)()


def test_an_empty_model():
    with pytest.raises(ModelStateError, match="empty"):
        calor.Sequential().predict([[1.0]])


def test_a_second_shape():
    with pytest.raises(ShapeError, match=re.escape("(3,), not (4,)")):
        small().build((4,))


def test_set_weights_that_do_not_fit():
    model = small()
    with pytest.raises(ShapeError, match="8 arrays and received 1"):
        model.set_weights([np.zeros(3)])
    weights = model.get_weights()
    weights[1] = np.zeros(5)
    with pytest.raises(ShapeError, match=r"'dense': bias has shape \(4,\) and received \(5,\)"):
        model.set_weights(weights)


def test_get_layer_mistakes():
    model = small()
    with pytest.raises(UnknownNameError, match=r"'dense_2'.*dense"):
        model.get_layer("dense_2")
    with pytest.raises(ArgumentError, match="no layer 7"):
        model.get_layer(index=7)
    with pytest.raises(ArgumentError, match="a name or an index"):
        model.get_layer()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"optimizer": "adamm"}, UnknownNameError, "'adam'"),
        ({"loss": "sparse_categorical_crossentropi"}, UnknownNameError, "sparse_categorical_crossentropy"),
        ({"metrics": ["acuracy"], "loss": "mse"}, UnknownNameError, "accuracy"),
        ({"metrics": "accuracy", "loss": "mse"}, ArgumentError, "list"),
        ({"precision": "float16"}, ArgumentError, "bfloat16"),
    ],
)
def test_unknown_settings(settings, error, message):
    with pytest.raises(error, match=message):
        small().compile(**settings)


def test_summary_of_a_real_network(capsys):
    model = calor.Sequential(
        [
            layers.Conv2D(32, (3, 3), padding="same", activation="relu", input_shape=(28, 28, 1)),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        name="net",
    )
    model.summary()
    out = capsys.readouterr().out
    assert "Model: net" in out
    assert re.search(r"conv2d \(Conv2D\)\s+\(None, 28, 28, 32\)\s+320\n", out)
    assert "Total weights: 63,178" in out
    assert "Trained: 63,114   kept by layers: 64" in out


def test_evaluate_returns_what_keras_returns(capsys):
    x, y = np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32)
    model = small()
    model.compile(loss="mse", metrics=["mae"])
    loss, error = model.evaluate(x, y)
    assert model.evaluate(x, y, return_dict=True, verbose=0) == pytest.approx({"loss": loss, "mae": error})
    assert "loss" in capsys.readouterr().out
    model.compile(loss="mse")
    assert isinstance(model.evaluate(x, y, verbose=0), float)
