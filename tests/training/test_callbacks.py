"""Callbacks: when they are called, what they do to a run."""

import csv
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import calor
from calor import callbacks, layers
from calor.errors import ArgumentError


def model_and_data(**settings):
    x = np.linspace(-1, 1, 40, dtype=np.float32)
    model = calor.Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    model.compile(**{"optimizer": calor.optimizers.SGD(0.1), "loss": "mse", **settings})
    return model, x, 3 * x + 1


def test_moments_come_in_order():
    model, x, y = model_and_data()
    calls = []

    class Recorder(callbacks.Callback):
        def on_train_begin(self, logs):
            calls.append("train begins")

        def on_epoch_begin(self, epoch, logs):
            calls.append(f"epoch {epoch} begins")

        def on_train_batch_begin(self, batch, logs):
            calls.append(f"batch {batch} begins")

        def on_train_batch_end(self, batch, logs):
            calls.append(f"batch {batch} ends")
            assert list(logs) == ["loss"]

        def on_epoch_end(self, epoch, logs):
            calls.append(f"epoch {epoch} ends")

        def on_train_end(self, logs=None):
            calls.append("train ends")

    recorder = Recorder()
    model.fit(x, y, batch_size=20, epochs=2, callbacks=[recorder], verbose=0)
    epochs = [
        [
            f"epoch {e} begins",
            *(f"batch {b} {moment}" for b in (0, 1) for moment in ("begins", "ends")),
            f"epoch {e} ends",
        ]
        for e in (0, 1)
    ]
    assert calls == ["train begins", *epochs[0], *epochs[1], "train ends"]
    assert recorder.params["steps"] == 2
    assert recorder.model is model


def test_early_stopping_restores_the_best_weights():
    model, x, y = model_and_data(optimizer=calor.optimizers.SGD(0.3))
    snapshots = []

    class Spoil(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            snapshots.append(self.model.get_weights())
            logs["watched"] = [3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 0.5][epoch]

    stop = callbacks.EarlyStopping(monitor="watched", patience=3, restore_best_weights=True)
    history = model.fit(x, y, epochs=7, callbacks=[Spoil(), stop], verbose=0)
    assert (stop.stopped_epoch, stop.best_epoch) == (5, 2)
    assert len(history.history["loss"]) == 6
    np.testing.assert_array_equal(model.get_weights()[0], snapshots[2][0])


@pytest.mark.parametrize(("min_delta", "stopped"), [(0.0, None), (0.2, 2)])
def test_early_stopping_counts_improvements_above_min_delta(min_delta, stopped):
    model, x, y = model_and_data()
    values = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(watched=1 - 0.1 * epoch))
    stop = callbacks.EarlyStopping(monitor="watched", patience=2, min_delta=min_delta)
    model.fit(x, y, epochs=3, callbacks=[values, stop], verbose=0)
    assert stop.stopped_epoch == stopped


@pytest.mark.parametrize(("patience", "baseline"), [(0, None), (2, None), (2, 1.0), (3, 5.0), (0, 1.0)])
def test_early_stopping_stops_where_keras_stops(patience, baseline):
    figures = [4.0, 3.0, 2.0, 2.5, 1.9, 2.0, 2.0, 2.0]
    settings = {"monitor": "loss", "patience": patience, "baseline": baseline, "restore_best_weights": True}
    results = []
    for stop in (callbacks.EarlyStopping(**settings), keras.callbacks.EarlyStopping(**settings)):
        model = SimpleNamespace(stop_training=False, get_weights=list, set_weights=list)
        if isinstance(stop, callbacks.Callback):
            stop.model = model
        else:
            stop.set_model(model)
        stop.on_train_begin({})
        ran = 0
        for epoch, figure in enumerate(figures):
            if model.stop_training:
                break
            stop.on_epoch_end(epoch, {"loss": figure})
            ran += 1
        results.append((ran, stop.best_epoch))
    assert results[0] == results[1]


def test_accuracies_are_better_when_they_are_higher():
    model, x, y = model_and_data()
    values = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_accuracy=0.1 * epoch))
    stop = callbacks.EarlyStopping(monitor="val_accuracy", patience=1)
    model.fit(x, y, epochs=4, callbacks=[values, stop], verbose=0)
    assert stop.stopped_epoch is None


def test_checkpoints_keep_the_best_and_fill_in_names(tmp_path):
    model, x, y = model_and_data()
    values = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_loss=[2.0, 1.0, 3.0][epoch]))
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "new" / "m-{epoch}-{val_loss:.1f}.keras", save_best_only=True)
    model.fit(x, y, epochs=3, callbacks=[values, checkpoint], verbose=0)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["m-1-2.0.keras", "m-2-1.0.keras"]


@pytest.mark.parametrize("name", ["{val_acc}", "{}", "{epoch:q}"])
def test_checkpoint_with_an_unknown_figure(tmp_path, name):
    model, x, y = model_and_data()
    with pytest.raises(ArgumentError, match=rf"{re.escape(name)}.*cannot be filled in.*epoch, loss"):
        model.fit(x, y, callbacks=[callbacks.ModelCheckpoint(tmp_path / f"{name}.keras")], verbose=0)


def test_reduce_on_plateau_shrinks_the_rate_and_records_it():
    model, x, y = model_and_data()
    values = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(watched=1.0))
    reduce = callbacks.ReduceLROnPlateau(monitor="watched", factor=0.5, patience=2, min_lr=0.03)
    history = model.fit(x, y, epochs=8, callbacks=[values, reduce], verbose=0)
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03, 0.03])
    assert model.learning_rate == pytest.approx(0.03)


def test_scheduler_sets_the_rate_of_each_epoch():
    model, x, y = model_and_data()
    rates = callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    history = model.fit(x, y, epochs=3, callbacks=[rates], verbose=0)
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.05, 0.1 / 3])
    still, x, y = model_and_data()
    frozen = still.get_weights()[0]
    still.fit(x, y, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.0)], verbose=0)
    np.testing.assert_array_equal(still.get_weights()[0], frozen)


def test_scheduler_of_the_epoch_alone():
    model, x, y = model_and_data()
    rates = callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    assert model.fit(x, y, epochs=2, callbacks=rates, verbose=0).history["learning_rate"] == [0.1, 0.05]


def test_verbose_callbacks_say_what_they_do(tmp_path, capsys):
    model, x, y = model_and_data()
    values = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(watched=1.0))
    talking = [
        values,
        callbacks.LearningRateScheduler(lambda epoch, rate: rate, verbose=1),
        callbacks.ReduceLROnPlateau("watched", factor=0.5, patience=1, verbose=1),
        callbacks.ModelCheckpoint(tmp_path / "m.keras", "watched", verbose=1, save_best_only=True),
        callbacks.EarlyStopping("watched", patience=1, verbose=1),
    ]
    model.fit(x, y, epochs=4, callbacks=talking, verbose=0)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1: learning rate 0.1",
        f"Epoch 1: saved the model to {tmp_path / 'm.keras'}",
        "Epoch 2: learning rate 0.1",
        "Epoch 2: learning rate reduced to 0.05",
        "Epoch 2: early stopping",
    ]


def test_scheduler_must_give_a_number():
    model, x, y = model_and_data()
    with pytest.raises(ArgumentError, match="must give a number"):
        model.fit(x, y, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: "fast")], verbose=0)


def test_a_schedule_cannot_be_set_as_well():
    schedule = calor.optimizers.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
    model, x, y = model_and_data(optimizer=calor.optimizers.SGD(schedule))
    with pytest.raises(ArgumentError, match="follows a schedule"):
        model.fit(x, y, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.1)], verbose=0)
    with pytest.raises(ArgumentError, match="follows a schedule"):
        model.fit(x, y, callbacks=[callbacks.ReduceLROnPlateau("loss")], verbose=0)


def test_csv_logger_writes_and_appends(tmp_path):
    model, x, y = model_and_data()
    for append in (False, True):
        model.fit(
            x, y, epochs=2, callbacks=[callbacks.CSVLogger(tmp_path / "new" / "log.csv", append=append)], verbose=0
        )
    with (tmp_path / "new" / "log.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "loss"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "0", "1"]


def test_an_unknown_figure_names_the_nearest():
    model, x, y = model_and_data()
    with pytest.raises(ArgumentError, match=r"'val_loss'.*'loss'.*validation_data"):
        model.fit(x, y, callbacks=[callbacks.EarlyStopping()], verbose=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: callbacks.EarlyStopping(mode="upwards"),
        lambda: callbacks.ReduceLROnPlateau(factor=2.0),
    ],
)
def test_bad_settings(make):
    with pytest.raises(ArgumentError, match="must"):
        make()


def test_a_callback_may_stop_the_run():
    model, x, y = model_and_data()

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 2

    assert len(model.fit(x, y, epochs=9, callbacks=[Stop()], verbose=0).epoch) == 3


def test_a_callback_may_stop_the_run_within_an_epoch():
    model, x, y = model_and_data()

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    history = model.fit(x, y, batch_size=4, epochs=9, callbacks=[Stop()], validation_data=(x, y), verbose=0)
    assert model.step == 3
    assert history.epoch == [0]
    assert "val_loss" in history.history


def test_functions_take_what_keras_gives_them():
    model, x, y = model_and_data()
    calls = []
    functions = {
        name: lambda *arguments, name=name: calls.append((name, len(arguments)))
        for name in (
            "on_train_begin",
            "on_epoch_begin",
            "on_train_batch_begin",
            "on_train_batch_end",
            "on_epoch_end",
            "on_train_end",
        )
    }
    model.fit(x, y, batch_size=40, callbacks=[callbacks.LambdaCallback(**functions)], verbose=0)
    assert calls == [(name, 1 if "train_begin" in name or "train_end" in name else 2) for name in functions]
