"""``fit``: what comes back, the same results whichever way the data come, and runs that end early."""

import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calor
from calor import callbacks, layers
from calor.errors import (
    ArgumentError,
    CalorWarning,
    DataError,
    LabelError,
    ModelStateError,
    NonFiniteError,
    ShapeError,
)


def examples(count=100, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 6)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int32)


def classifier(seed=3, dropout=0.2, **settings):
    model = calor.Sequential(
        [
            layers.Dense(16, activation="relu", input_shape=(6,)),
            layers.Dropout(dropout),
            layers.BatchNormalization(),
            layers.Dense(2, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **settings}
    )
    return model


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_history_has_keras_keys_and_order():
    x, y = examples()
    history = classifier().fit(x, y, epochs=3, validation_split=0.2, verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1, 2]
    assert all(len(values) == 3 for values in history.history.values())
    assert history.params["steps"] == 3
    assert history.compile_seconds > 0


def test_history_file_holds_the_figures(tmp_path):
    x, y = examples()
    history = classifier().fit(x, y, epochs=2, verbose=0)
    history.save(tmp_path / "history.json")
    saved = json.loads((tmp_path / "history.json").read_text())
    assert saved["history"] == history.history
    assert [path.name for path in tmp_path.iterdir()] == ["history.json"]


def test_training_learns():
    x, y = examples(400)
    model = classifier(dropout=0.0, optimizer=calor.optimizers.Adam(0.01))
    model.fit(x, y, epochs=60, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95


def test_one_seed_gives_one_run():
    x, y = examples()
    first, second, other = classifier(), classifier(), classifier(seed=4)
    histories = [model.fit(x, y, epochs=3, verbose=0).history for model in (first, second, other)]
    assert histories[0] == histories[1] != histories[2]
    assert_same_weights(first, second)


def test_a_second_fit_goes_on_and_draws_anew():
    x, y = examples()
    model = classifier()
    first = model.fit(x, y, epochs=1, verbose=0)
    second = model.fit(x, y, epochs=1, verbose=0)
    assert model.step == 8
    assert first.history != second.history
    assert second.compile_seconds == 0  # the program is the first one's


@pytest.mark.parametrize("batch_size", [32, 7])
def test_resident_and_streaming_give_the_same_history(batch_size):
    x, y = examples()
    resident, streaming = classifier(), classifier()
    kept = resident.fit(x, y, batch_size, epochs=3, validation_data=(x, y), verbose=0)
    streamed = streaming.fit(x, y, batch_size, epochs=3, validation_data=(x, y), verbose=0, memory_limit=0)
    assert (kept.params["data"], streamed.params["data"]) == ("resident", "streaming")
    assert kept.history == streamed.history
    assert_same_weights(resident, streaming)


def test_resident_and_streaming_agree_with_maps_and_endless_repetition():
    x, y = examples()

    def noisy(inputs, label, key):
        return inputs + 0.1 * jax.random.normal(key, (6,)), label

    dataset = calor.Dataset.from_arrays(x, y).map(noisy).repeat().shuffle(100).batch(16)
    resident, streaming = classifier(), classifier()
    kept = resident.fit(dataset, epochs=3, steps_per_epoch=7, verbose=0)
    streamed = streaming.fit(dataset, epochs=3, steps_per_epoch=7, verbose=0, memory_limit=0)
    assert kept.history == streamed.history


def test_resident_and_streaming_agree_over_epochs_shorter_than_a_pass():
    x, y = examples()
    resident, streaming = classifier(), classifier()
    kept = resident.fit(x, y, batch_size=10, epochs=7, steps_per_epoch=4, verbose=0)
    streamed = streaming.fit(x, y, batch_size=10, epochs=7, steps_per_epoch=4, verbose=0, memory_limit=0)
    assert kept.history == streamed.history
    assert_same_weights(resident, streaming)


def test_measuring_noisy_data_does_not_depend_on_how_they_come():
    """The noise of a batch is fixed by its number in the pass, not by how many batches a call works through."""
    x, y = examples()

    def noisy(inputs, label, key):
        return inputs + jax.random.normal(key, (6,)), label

    dataset = calor.Dataset.from_arrays(x, y).map(noisy).batch(1)
    model = classifier()
    resident = model.evaluate(dataset, verbose=0)
    assert model.evaluate(dataset, verbose=0, memory_limit=0) == resident
    np.testing.assert_array_equal(model.predict(dataset), model.predict(dataset, memory_limit=0))


def test_the_data_are_let_go():
    x, y = examples()
    held = weakref.ref(x)
    model = classifier()
    model.fit(x, y, epochs=2, verbose=0)
    del x
    gc.collect()
    assert held() is None


def test_progress_does_not_change_the_result(capsys):
    x, y = examples()
    quiet, watched = classifier(), classifier()
    expected = quiet.fit(x, y, epochs=4, verbose=0).history
    seen = watched.fit(x, y, epochs=4, verbose=2, callbacks=[callbacks.LambdaCallback(on_train_batch_end=print)])
    assert seen.history == expected
    out = capsys.readouterr().out
    assert "Epoch 4/4 - 4/4" in out
    assert "Compiled in" in out


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_resumed_run_equals_the_unbroken_one(tmp_path, killed_after):
    x, y = examples()
    unbroken = classifier(optimizer=calor.optimizers.SGD(0.05, momentum=0.9))
    whole = unbroken.fit(x, y, epochs=4, validation_data=(x, y), verbose=0)
    killed = classifier(optimizer=calor.optimizers.SGD(0.05, momentum=0.9))
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "checkpoint.keras")
    killed.fit(x, y, epochs=killed_after, validation_data=(x, y), verbose=0, callbacks=[checkpoint])
    resumed = calor.load_model(tmp_path / "checkpoint.keras")
    rest = resumed.fit(x, y, epochs=4, initial_epoch=killed_after, validation_data=(x, y), verbose=0)
    assert rest.epoch == list(range(killed_after, 4))
    for name, values in whole.history.items():
        assert rest.history[name] == values[killed_after:], name
    assert_same_weights(resumed, unbroken)


def test_a_generator_of_batches():
    x, y = examples(96)

    def batches():
        while True:
            for start in range(0, 96, 32):
                yield x[start : start + 32], y[start : start + 32]

    fed, plain = classifier(), classifier()
    given = fed.fit(batches(), epochs=2, steps_per_epoch=3, verbose=0)
    expected = plain.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for name, values in expected.history.items():
        np.testing.assert_allclose(given.history[name], values, rtol=1e-6)


def test_a_generator_that_ends_too_early_keeps_what_was_learned():
    x, y = examples(96)
    model = classifier()
    with pytest.warns(CalorWarning, match="ended in epoch 2, after 1 of 2 steps"):
        history = model.fit(
            ((x[i : i + 32], y[i : i + 32]) for i in (0, 32, 64)), epochs=5, steps_per_epoch=2, verbose=0
        )
    assert history.epoch == [0, 1]
    assert model.step == 3


def test_a_generator_goes_on_where_the_run_left_it():
    x, y = examples(32)
    drawn = []

    def batches():
        for number in itertools.count():
            drawn.append(number)
            yield x, y

    generator = batches()
    model = classifier()
    model.fit(generator, epochs=2, steps_per_epoch=3, verbose=0)
    assert drawn == list(range(6))
    model.evaluate(generator, steps=2, verbose=0)
    model.predict(generator, steps=1)
    assert drawn == list(range(9))


@pytest.mark.parametrize("steps", [None, 2])
def test_validation_on_a_generator_measures_the_same_batches_every_epoch(steps):
    x, y = examples(100)
    fed, plain = classifier(), classifier()
    batches = ((x[i : i + 32], y[i : i + 32]) for i in (0, 32, 64, 96))
    given = fed.fit(x, y, epochs=3, validation_data=batches, validation_steps=steps, verbose=0)
    expected = plain.fit(x, y, epochs=3, validation_data=(x, y), validation_steps=steps, verbose=0)
    for name, values in expected.history.items():
        np.testing.assert_allclose(given.history[name], values, rtol=1e-6)


def test_an_empty_generator():
    with pytest.raises(DataError):
        classifier().fit(iter([]), epochs=1, verbose=0)


def test_nan_in_the_data_stops_with_the_place_and_the_last_good_weights():
    x, y = examples(100)
    x[50, 2] = np.nan
    model = classifier()
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 6.*inputs contain NaN.*example 50.*last good") as caught:
        model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
    assert (caught.value.epoch, caught.value.step) == (1, 6)
    reference = classifier()
    reference.fit(x[:40], y[:40], batch_size=10, epochs=1, shuffle=False, verbose=0)
    assert_same_weights(model, reference)  # four updates: the fifth batch's loss, finite, was measured on these


def test_a_diverging_run_stops_and_blames_the_learning_rate():
    x = np.linspace(-40, 40, 64, dtype=np.float32)
    model = calor.Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    model.compile(optimizer=calor.optimizers.SGD(1.0), loss="mse")
    with pytest.raises(NonFiniteError, match="smaller learning rate"):
        model.fit(x, 2 * x, epochs=50, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.isfinite(model.evaluate(x, 2 * x, verbose=0))


def test_the_last_good_weights_are_those_of_the_rate_of_their_time():
    """The step before the bad one is found by running up to it again, at the rate that it was run at."""
    x, y = examples(200)
    x[150] = np.nan
    rates = callbacks.LearningRateScheduler(lambda epoch, rate: [0.01, 0.01, 0.01, 1e30][epoch])
    model, reference = classifier(), classifier()
    with pytest.raises(NonFiniteError, match="epoch 4, step 1"):
        model.fit(x, y, 10, epochs=4, steps_per_epoch=5, shuffle=False, callbacks=[rates], verbose=0)
    reference.fit(x[:140], y[:140], 10, shuffle=False, callbacks=[rates], verbose=0)
    assert_same_weights(model, reference)


@pytest.mark.parametrize("watched", [True, False])
def test_a_last_update_that_breaks_the_weights(watched):
    """The gradient of a root at 0 is infinite where the loss is 0: no loss after it would show that."""
    model = calor.Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))], seed=0)
    model.compile("sgd", lambda labels, outputs: jnp.sqrt(jnp.abs(labels - outputs)))
    model.set_weights([[[1.0]]])
    seen = []
    looks = [callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))] if watched else []
    with pytest.raises(NonFiniteError, match=r"weights became NaN.*epoch 1, step 1.*last good") as caught:
        model.fit([1.0], [1.0], callbacks=looks, verbose=0)
    assert (caught.value.epoch, caught.value.step) == (1, 1)
    assert model.get_weights() == [[[1.0]]]
    assert seen == []


def test_nan_from_a_random_map_is_found_with_the_key_of_its_step():
    x, y = examples(64)

    def sometimes(inputs, label, key):
        return jnp.where(jax.random.uniform(key) < 0.02, jnp.nan, inputs), label

    model = classifier()
    with pytest.raises(NonFiniteError, match="inputs contain NaN"):
        model.fit(calor.Dataset.from_arrays(x, y).map(sometimes).batch(4), epochs=20, verbose=0)


def test_labels_out_of_range_behind_a_map():
    x, y = examples()
    dataset = calor.Dataset.from_arrays(x, y).map(lambda inputs, label: (inputs, label + 1)).batch(10)
    with pytest.raises(LabelError, match="2"):
        classifier().fit(dataset, verbose=0)


def test_labels_out_of_range():
    x, y = examples()
    with pytest.raises(LabelError, match="from 0 to 9"):
        classifier().fit(x, np.where(y, 9, 0), verbose=0)


def test_labels_that_a_data_set_leaves_out_do_not_matter():
    x, y = examples()
    y[50:] = 9
    dataset = calor.Dataset.from_arrays(x, y).batch(10)
    assert len(classifier().fit(dataset.take(5), verbose=0).epoch) == 1
    with pytest.raises(LabelError, match="9"):
        classifier().fit(dataset.skip(4), verbose=0)


def test_large_whole_numbers_are_not_cut_off():
    model = calor.Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))], seed=0)
    model.compile("sgd", "mae")
    assert model.evaluate([[0]], [[2**40]], verbose=0) == 2.0**40


def test_ctrl_c_keeps_what_was_learned():
    x, y = examples()
    model = classifier()

    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=9, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=interrupt)])
    reference = classifier()
    reference.fit(x, y, epochs=2, verbose=0)
    assert model.history.epoch == [0]
    assert_same_weights(model, reference)


def test_a_real_interrupt_ends_the_run_between_two_calls():
    program = textwrap.dedent(
        """
        import signal
        import numpy as np, calor
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        model = calor.Sequential([calor.layers.Dense(64, input_shape=(64,)), calor.layers.Dense(1)], seed=0)
        model.compile(loss="mse")
        x = np.ones((20000, 64), np.float32)
        started = calor.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print("epoch", epoch, flush=True))
        try:
            model.fit(x, x[:, 0], batch_size=4, epochs=10**6, verbose=0, callbacks=[started])
        except KeyboardInterrupt:
            print("kept", model.step > 0, flush=True)
        """
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            for line in iter(process.stdout.readline, ""):
                if line.startswith("epoch 1"):
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert "kept True" in rest
    assert process.returncode == 0


def test_losses_layers_and_metrics_of_ones_own():
    class Scale(layers.Layer):
        def build(self, key, input_shape):
            return {"scale": jnp.ones(input_shape[-1])}, {}

        def apply(self, parameters, state, inputs, *, training, key):
            return inputs * parameters["scale"], state

    x = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32)
    y = x * np.float32([1, 2, 3])
    model = calor.Sequential([Scale()], seed=0)
    model.compile(
        optimizer=calor.optimizers.Adam(0.05),
        loss=lambda labels, outputs: jnp.mean((labels - outputs) ** 2),
        metrics=[lambda labels, outputs: jnp.max(jnp.abs(labels - outputs), axis=-1)],
    )
    history = model.fit(x, y, epochs=100, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [1, 2, 3], atol=0.01)
    assert history.history["loss"][-1] < 1e-3


def test_a_layer_that_derives_from_nothing():
    class Twice:
        def build(self, key, input_shape):
            return {}, {}

        def apply(self, parameters, state, inputs, *, training, key):
            return 2 * inputs, state

    model = calor.Sequential([Twice()])
    np.testing.assert_array_equal(model.predict([[1.0, 2.0]]), [[2.0, 4.0]])


def test_an_own_layer_with_an_activation_is_left_as_it_is():
    class Scores:
        activation = staticmethod(jax.nn.softmax)

        def build(self, key, input_shape):
            return {"kernel": jnp.full((input_shape[-1], 2), 0.5)}, {}

        def apply(self, parameters, state, inputs, *, training, key):
            return self.activation(inputs @ parameters["kernel"]), state

    x, y = examples()
    model = calor.Sequential([Scores()], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    np.testing.assert_allclose(model.fit(x, y, batch_size=100, verbose=0).history["loss"], [np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("change", [lambda model: model.pop(), lambda model: None])
def test_training_goes_on_after_the_layers_have_changed(change):
    x, _ = examples()
    model = calor.Sequential([layers.Dense(4, input_shape=(6,)), layers.Dense(3)], seed=0)
    model.compile("adam", "mse")
    model.fit(x, x[:, :3], verbose=0)
    change(model)
    model.add(layers.Dense(2))
    model.fit(x, x[:, :2], verbose=0)
    assert model.step == 8


def test_bfloat16_trains_close_to_float32():
    x, y = examples(200)
    full, half = classifier(dropout=0.0), classifier(dropout=0.0, precision="bfloat16")
    expected = full.fit(x, y, epochs=5, verbose=0).history["loss"]
    measured = half.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert measured != expected
    np.testing.assert_allclose(measured, expected, rtol=0.03)  # bfloat16 has 8 bits of mantissa
    assert all(weight.dtype == np.float32 for weight in half.get_weights())


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"x": np.zeros((5, 4)), "y": np.zeros(5)}, ShapeError, r"'dense'.*\(6,\).*\(4,\)"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(4)}, DataError, "5, 4"),
        ({"x": np.zeros((0, 6)), "y": np.zeros(0)}, DataError, "empty"),
        ({"x": np.zeros((5, 6))}, ArgumentError, "no labels"),
        ({}, ArgumentError, "no data"),
        ({"x": [[1, 2], [3]], "y": [0, 1]}, DataError, "one array"),
        ({"x": [["a"] * 6], "y": [0]}, DataError, "numbers"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "batch_size": 0}, ArgumentError, "batch_size"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "epochs": 0}, ArgumentError, "epochs"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "validation_split": 0.95}, ArgumentError, "one side empty"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "class_weight": {7: 2.0}}, ArgumentError, "class 7"),
        (
            {"x": np.zeros((5, 6)), "y": np.zeros(5), "class_weight": {0: "much"}},
            ArgumentError,
            "a number from 0 on, not 'much'",
        ),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "callbacks": [print]}, ArgumentError, "LambdaCallback"),
        ({"x": object()}, ArgumentError, "object"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "epochs": 2.5}, ArgumentError, "epochs must be a whole number"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "initial_epoch": -1}, ArgumentError, "initial_epoch"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "steps_per_epoch": -1}, ArgumentError, "steps_per_epoch"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5), "validation_steps": 0}, ArgumentError, "validation_steps"),
        (
            {"x": np.zeros((5, 6)), "y": np.zeros(5), "sample_weight": np.ones((5, 2))},
            ShapeError,
            r"weights.*\(examples, 2\)",
        ),
        (
            {"x": calor.Dataset.from_arrays({"a": np.zeros((5, 6))}, np.zeros(5)).batch(5)},
            ArgumentError,
            "inputs must be one array.*dict",
        ),
    ],
)
def test_bad_arguments(settings, error, message):
    with pytest.raises(error, match=message):
        classifier().fit(**{"verbose": 0, **settings})


def test_data_without_end_need_steps():
    x, y = examples()
    dataset = calor.Dataset.from_arrays(x, y).repeat().batch(10)
    with pytest.raises(ArgumentError, match="steps_per_epoch"):
        classifier().fit(dataset, verbose=0)
    with pytest.raises(ArgumentError, match="validation_steps"):
        classifier().fit(x, y, validation_data=dataset, verbose=0)
    with pytest.raises(ArgumentError, match="give evaluate steps"):
        classifier().evaluate(dataset, verbose=0)
    with pytest.raises(ArgumentError, match="give predict steps"):
        classifier().predict(dataset)


def test_labels_beside_a_data_set():
    x, y = examples()
    with pytest.raises(ArgumentError, match="leave y out"):
        classifier().fit(calor.Dataset.from_arrays(x, y).batch(10), y, verbose=0)


def test_training_needs_compile_and_a_loss():
    x, y = examples()
    model = calor.Sequential([layers.Dense(2)])
    with pytest.raises(ModelStateError, match="compile"):
        model.fit(x, y, verbose=0)
    model.compile(optimizer="adam")
    with pytest.raises(ModelStateError, match="no loss"):
        model.fit(x, y, verbose=0)


def test_softmax_with_from_logits_is_told():
    x, y = examples()
    model = classifier(loss=calor.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.warns(CalorWarning, match="no logits"):
        model.fit(x, y, verbose=0)


def test_confident_mistakes_keep_their_gradient():
    """Softmax and cross-entropy are computed on the logits: probabilities alone would have rounded to 0 and 1."""
    model = calor.Sequential([layers.Dense(2, activation="softmax", input_shape=(1,))], seed=0)
    model.compile(optimizer=calor.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy")
    model.set_weights([np.array([[200.0, -200.0]]), np.zeros(2)])
    history = model.fit([1.0], [1], verbose=0)
    np.testing.assert_allclose(history.history["loss"], [400.0])
    np.testing.assert_allclose(model.get_weights()[0], [[199.0, -199.0]])


def test_verbose_two_prints_a_line_an_epoch(capsys):
    x, y = examples()
    classifier().fit(x, y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == [lines[0], "Epoch 1/2", "Epoch 2/2"]


def test_time_spent_waiting_for_data_is_told(capsys):
    x, y = examples()

    def batches():
        for start in range(0, 40, 20):
            time.sleep(0.2)
            yield x[start : start + 20], y[start : start + 20]

    history = classifier().fit(calor.Dataset.from_batches(batches), epochs=2, verbose=2)
    assert len(history.waiting_seconds) == 2
    # Of the first epoch's second batch part is made while the program is compiled.
    assert 0.1 < history.waiting_seconds[1] <= history.epoch_seconds[1]
    assert "of the time waiting for data" in capsys.readouterr().out.splitlines()[-1]


def test_an_epoch_of_fewer_steps_than_the_data_hold():
    x, y = examples(100)
    model = classifier()
    history = model.fit(x, y, batch_size=10, epochs=7, steps_per_epoch=4, verbose=0)
    assert model.step == 28
    assert len(history.history["loss"]) == 7
