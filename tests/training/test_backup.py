"""``BackupAndRestore``: a run that was cut off anywhere ends as if it never had been."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import calor
from calor import callbacks, layers
from calor.errors import ArgumentError, CalorWarning, ModelFileError
from calor.training import backup, checkpoint


class Killed(BaseException):
    """The program ends here."""


class Kill(callbacks.Callback):
    """Ends the program at a step of an epoch; never without one."""

    def __init__(self, epoch=None, step=None):
        self.at = epoch, step

    def on_epoch_begin(self, epoch, logs):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs):
        if (getattr(self, "epoch", self.at[0]), batch) == self.at:
            raise Killed


def examples(count=100):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, 6)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int32)


X, Y = examples()


def classifier(seed=3, units=16, **settings):
    model = calor.Sequential(
        [
            layers.Dense(units, activation="relu", input_shape=(6,)),
            layers.Dropout(0.2),
            layers.BatchNormalization(),
            layers.Dense(2, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **settings}
    )
    return model


def fit(model, *others, epochs=6, **settings):
    given = {"validation_data": (X, Y), "batch_size": 10, "verbose": 0, **settings}
    return model.fit(X, Y, epochs=epochs, callbacks=list(others), **given)


def assert_same(one, other):
    assert one.history.history == other.history.history
    assert one.history.epoch == other.history.epoch
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(jax.tree.leaves(one.optimizer_state), jax.tree.leaves(other.optimizer_state), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.step == other.step


@pytest.fixture(scope="module")
def unbroken():
    model = classifier()
    fit(model)
    return model


@pytest.mark.parametrize(
    ("settings", "place", "kept"),
    [
        ({}, (3, 0), 3),
        ({}, (0, 2), 0),
        ({"save_freq": 1}, (4, 7), 4.7),
        ({"save_freq": 3}, (2, 9), 2.7),
        ({"save_freq": False, "seconds": 0}, (1, 5), 1.5),
    ],
)
def test_a_run_cut_off_anywhere_ends_as_the_unbroken_one(settings, place, kept, unbroken, tmp_path):
    folder = tmp_path / "backup"
    with pytest.raises(Killed):
        fit(classifier(), callbacks.BackupAndRestore(folder, **settings), Kill(*place))
    found = checkpoint.latest(folder)
    assert (0 if found is None else found[0]["step"] / 10) == kept
    again = classifier(seed=3 if found is None else 99)  # a program's own seed may be drawn anew
    fit(again, callbacks.BackupAndRestore(folder, **settings), Kill())
    assert_same(again, unbroken)
    assert again.seed == 3
    assert not folder.exists()


class _Noise(calor.optimizers.Optimizer):
    """Optax' transformation with a random key in its memory, and a moment in bfloat16."""

    def transformation(self, learning_rate):
        return optax.chain(
            optax.add_noise(0.01, 0.5, jax.random.key(5)),
            optax.scale_by_adam(mu_dtype=jnp.bfloat16),
            optax.scale(-learning_rate),
        )


@pytest.mark.parametrize(
    "optimizer",
    [
        calor.optimizers.SGD(0.05, momentum=0.9),
        calor.optimizers.RMSprop(calor.schedules.CosineDecay(0.01, 40), centered=True),
        _Noise(0.01),
    ],
    ids=["momentum", "schedule", "noise"],
)
def test_every_optimizer_remembers(optimizer, tmp_path):
    whole, again = classifier(optimizer=optimizer), classifier(optimizer=optimizer)
    fit(whole, epochs=4)
    with pytest.raises(Killed):
        fit(classifier(optimizer=optimizer), callbacks.BackupAndRestore(tmp_path, save_freq=3), Kill(2, 6), epochs=4)
    fit(again, callbacks.BackupAndRestore(tmp_path, save_freq=3), Kill(), epochs=4)
    np.testing.assert_equal(again.history.history, whole.history.history)
    for a, b in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_other_callbacks_remember(tmp_path):
    """Those that wait, those that know the best value, and those that write."""

    def watchers(name):
        stop = callbacks.EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True)
        return stop, [
            stop,
            callbacks.ModelCheckpoint(tmp_path / name / "{epoch}.keras", save_best_only=True),
            callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1, cooldown=1, factor=0.5),
            callbacks.CSVLogger(tmp_path / name / "log.csv"),
        ]

    def run(name, *others):
        # A step that is too large, so that the validation loss rises and all of them have something to do.
        model = classifier(optimizer=calor.optimizers.Adam(0.2))
        stop, all_of_them = watchers(name)
        fit(model, *all_of_them, *others, epochs=30)
        return model, stop

    model, stop = run("unbroken")
    assert stop.stopped_epoch is not None
    assert len(set(model.history.history["learning_rate"])) > 1
    last = stop.stopped_epoch
    for epoch, step in ((stop.best_epoch + 1, 3), (last, 8)):
        name = f"broken-{epoch}"
        with pytest.raises(Killed):
            run(name, callbacks.BackupAndRestore(tmp_path / "backup", save_freq=2), Kill(epoch, step))
        again, stopped = run(name, callbacks.BackupAndRestore(tmp_path / "backup", save_freq=2), Kill())
        assert_same(again, model)
        assert (stopped.best_epoch, stopped.stopped_epoch) == (stop.best_epoch, stop.stopped_epoch)
        assert (tmp_path / name / "log.csv").read_text() == (tmp_path / "unbroken" / "log.csv").read_text()
        assert {f.name for f in (tmp_path / name).iterdir()} == {f.name for f in (tmp_path / "unbroken").iterdir()}


def test_lines_of_epochs_that_are_run_again_are_written_once(tmp_path):
    def run(*others):
        log = callbacks.CSVLogger(tmp_path / "log.csv")
        fit(classifier(), log, callbacks.BackupAndRestore(tmp_path / "backup"), *others, epochs=3)

    class Full(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                raise Killed  # after the line of that epoch, before its backup

    with pytest.raises(Killed):
        run(Full())
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    with pytest.warns(CalorWarning, match="its callbacks were CSVLogger, BackupAndRestore, Full, and these are CSV"):
        run()
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1", "2"]


def test_a_run_that_was_stopped_or_had_ended_does_not_go_on(tmp_path):
    keep = {"delete_checkpoint": False}

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 1

    stopped, again = classifier(), classifier()
    fit(stopped, callbacks.BackupAndRestore(tmp_path / "stopped", **keep), Stop())
    fit(again, callbacks.BackupAndRestore(tmp_path / "stopped", **keep), Stop())
    assert again.history.epoch == [0, 1]
    assert_same(again, stopped)

    ended, further = classifier(), classifier()
    fit(ended, callbacks.BackupAndRestore(tmp_path / "ended", **keep), epochs=2)
    fit(further, callbacks.BackupAndRestore(tmp_path / "ended", **keep), epochs=2)
    assert_same(further, ended)
    assert further.history.verdict().name == ended.history.verdict().name
    fit(further, callbacks.BackupAndRestore(tmp_path / "ended", **keep), epochs=3)
    assert further.history.epoch == [0, 1, 2]


def test_a_second_fit_has_its_own_order(tmp_path):
    """The order of the data is numbered by the steps before the run, which the backup knows."""

    def run(cut):
        model = classifier()
        fit(model, epochs=1)
        if cut:
            with pytest.raises(Killed):
                fit(model, callbacks.BackupAndRestore(tmp_path), Kill(2, 4), epochs=4)
            model = classifier()
        fit(model, callbacks.BackupAndRestore(tmp_path), Kill(), epochs=4)
        return model

    assert_same(run(cut=True), run(cut=False))


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_data_of_unknown_length_go_on_at_the_next_epoch(memory_limit, tmp_path):
    def run(*others):
        dataset = calor.Dataset.from_generator(lambda: zip(X, Y, strict=True)).shuffle(50).batch(10)
        assert dataset.plan().steps is None
        model = classifier()
        model.fit(dataset, epochs=4, verbose=0, memory_limit=memory_limit, callbacks=list(others))
        return model

    with pytest.raises(Killed):
        run(callbacks.BackupAndRestore(tmp_path, save_freq=1), Kill(2, 3))
    assert_same(run(callbacks.BackupAndRestore(tmp_path, save_freq=1), Kill()), run())


# ---------------------------------------------------------------- what does not belong together


def backed_up(folder, *others, **settings):
    with pytest.raises(Killed):
        fit(classifier(**settings), callbacks.BackupAndRestore(folder), *others, Kill(2, 1))


def test_another_network_other_data_and_another_optimizer_are_told(tmp_path):
    backed_up(tmp_path)
    keep = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(ArgumentError, match=r"of another network or optimizer: its .*beta.*\(16,\), this one's \(8,\)"):
        fit(classifier(units=8), keep, Kill())
    with pytest.raises(ArgumentError, match=r"another network or optimizer: its .*count.*this one's \(none\)"):
        fit(classifier(optimizer="sgd"), keep, Kill())
    with pytest.raises(ArgumentError, match="10 steps an epoch, and this one has 5"):
        fit(classifier(), keep, Kill(), batch_size=20)
    slow = calor.optimizers.Adam(1e-5)
    with pytest.warns(CalorWarning, match=r"its optimizer was Adam.* and this one is Adam.*1e-05"):
        fit(classifier(optimizer=slow), keep, Kill(), epochs=3)


def test_another_version_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "__version__", "0.0.0")
    backed_up(tmp_path)
    monkeypatch.undo()
    with pytest.warns(CalorWarning, match=f"made by Calor 0.0.0, and this is {calor.__version__}"):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path), Kill(), epochs=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backup_dir": ""}, "must name a folder"),
        ({"backup_dir": "x", "save_freq": "batch"}, "save_freq"),
        ({"backup_dir": "x", "save_freq": 0.5}, "save_freq"),
        ({"backup_dir": "x", "seconds": -1}, "seconds must be a number at least 0"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        callbacks.BackupAndRestore(**arguments)


# ---------------------------------------------------------------- disks, damage, interruptions


def test_a_damaged_backup_is_told_and_the_one_before_it_used(unbroken, tmp_path):
    backed_up(tmp_path)
    before, last = sorted(tmp_path.iterdir())
    contents = bytearray(last.read_bytes())
    contents[len(contents) // 2] ^= 1
    last.write_bytes(contents)
    again = classifier()
    with pytest.warns(
        CalorWarning, match=f"{last.name} is damaged: .* goes on from the checkpoint before it, .*{before.name}"
    ):
        fit(again, callbacks.BackupAndRestore(tmp_path), Kill())
    assert_same(again, unbroken)


@pytest.mark.parametrize("damage", [b"", b"calor checkpoint 1 ", b"PK\x03\x04"])
def test_nothing_that_is_whole(damage, tmp_path):
    backed_up(tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(damage)
    with pytest.raises(ModelFileError, match=f"is damaged: .* There is no other: remove {tmp_path} and train again"):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path), Kill())


def test_no_backup_holds_code(tmp_path):
    np.savez(tmp_path / "evil.npz", record=np.array([print], object))
    contents = (tmp_path / "evil.npz").read_bytes()
    import hashlib

    head = f"calor checkpoint 1 {hashlib.sha256(contents).hexdigest()}\n".encode()
    (tmp_path / "00000001.checkpoint").write_bytes(head + contents)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        checkpoint.load(tmp_path / "00000001.checkpoint")


def test_what_a_kill_while_writing_leaves_is_tidied_away(tmp_path):
    tmp_path.joinpath(".calor-0123456789abcdef").write_bytes(b"half of a checkpoint")
    fit(classifier(), callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False), epochs=1)
    assert [file.name for file in tmp_path.iterdir()] == ["00000001.checkpoint"]


def test_one_is_kept_where_asked_for(tmp_path):
    with pytest.raises(Killed):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path, double_checkpoint=False), Kill(3, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["00000003.checkpoint"]


def test_a_full_disk_leaves_the_last_good_state(unbroken, tmp_path):
    """Real writes that end with "file too large", as on a full disk, at a size that only a backup reaches."""

    class Full(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(ModelFileError, match=r"00000003.checkpoint was not written: .*00000002.checkpoint is un"):
            fit(classifier(), callbacks.BackupAndRestore(tmp_path), Full())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["00000001.checkpoint", "00000002.checkpoint"]
    again = classifier()
    with pytest.warns(CalorWarning, match="callbacks were"):
        fit(again, callbacks.BackupAndRestore(tmp_path))
    assert_same(again, unbroken)


def test_no_room_for_the_first(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ModelFileError, match=r"no room left on the disk; make room .* before it: There is none"):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_ctrl_c_in_the_middle_of_a_backup_leaves_the_last_good_state(unbroken, tmp_path, monkeypatch):
    real, calls = os.fsync, []

    def interrupted(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:  # two calls for each file: of it, and of its folder
            raise KeyboardInterrupt
        real(descriptor)

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path), Kill())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["00000001.checkpoint", "00000002.checkpoint"]
    again = classifier()
    fit(again, callbacks.BackupAndRestore(tmp_path), Kill())
    assert_same(again, unbroken)


def test_a_folder_that_vanished(tmp_path):
    class Remove(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                checkpoint.remove(tmp_path / "backup")

    with pytest.raises(
        ModelFileError, match="backup, the folder of this run's backups, was removed while the run went"
    ):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path / "backup"), Remove())


def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    class Broken(callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            if batch == 3:
                self.model.set_weights([np.full_like(one, np.nan) for one in self.model.get_weights()])

    with pytest.raises(calor.errors.NonFiniteError):
        fit(classifier(), callbacks.BackupAndRestore(tmp_path, save_freq=1), Broken(), verbose=0)
    record, _ = checkpoint.latest(tmp_path)
    assert record["step"] == 3


PROGRAM = """
    import sys, json, hashlib
    import numpy as np
    import calor
    from calor import callbacks, layers

    generator = np.random.default_rng(0)
    x = generator.normal(size=(2000, 20)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    dense = layers.Dense(64, activation="relu", input_shape=(20,))
    model = calor.Sequential([dense, layers.Dropout(0.2), layers.Dense(2, activation="softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = callbacks.EarlyStopping(patience=100, restore_best_weights=True)
    keep = callbacks.BackupAndRestore(sys.argv[1], seconds=0)
    print("begin", flush=True)
    history = model.fit(x, y, batch_size=4, epochs=25, validation_split=0.1, verbose=0, callbacks=[stop, keep])
    weights = hashlib.sha256(b"".join(one.tobytes() for one in model.get_weights())).hexdigest()
    print(json.dumps([history.history, weights]), flush=True)
"""


def run_program(folder, kill_after=None):
    """What the program prints at its end; None where it was killed, so many seconds after its beginning."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begin\n"
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    output = process.communicate()[0]
    assert process.returncode in (0, -signal.SIGKILL)
    return json.loads(output) if output else None


@pytest.mark.parametrize(
    ("kills", "longest"), [(3, 4.0), pytest.param(20, 4.0, marks=pytest.mark.slow)], ids=["three", "twenty"]
)
def test_killed_at_random_moments(kills, longest, tmp_path):
    """A process that is killed so many times, at moments that no two runs of this test have in common."""
    unbroken = run_program(tmp_path / "unbroken")
    random = np.random.default_rng()
    cut_off = 0
    while cut_off < kills:
        folder = tmp_path / f"broken-{cut_off}"
        ended = run_program(folder, random.uniform(0, longest))
        while ended is None:
            cut_off += 1
            ended = run_program(folder, random.uniform(0, longest) if cut_off < kills else None)
        assert ended == unbroken
