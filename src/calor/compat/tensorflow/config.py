"""``tf.config``: the devices, as JAX sees them."""

from dataclasses import dataclass

from calor.compat._absent import Namespace, outside


@dataclass(frozen=True)
class PhysicalDevice:
    """A processor that can compute: its name and kind (``"CPU"``, ``"GPU"`` or ``"TPU"``)."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices, all or those of one kind. There is always a CPU."""
    import jax

    found = [device for device in jax.devices() if device.platform != "cpu"]
    kinds = [
        "CPU",
        *("GPU" if device.platform in ("gpu", "cuda", "rocm") else device.platform.upper() for device in found),
    ]
    counts: dict[str, int] = {}
    devices = []
    for kind in kinds:
        number = counts[kind] = counts.get(kind, -1) + 1
        devices.append(PhysicalDevice(f"/physical_device:{kind}:{number}", kind))
    return [device for device in devices if device_type in (None, device.device_type)]


def _leave_memory(device: PhysicalDevice, enable: bool) -> None:
    """Nothing: JAX decides how much memory it takes (its variable XLA_PYTHON_CLIENT_PREALLOCATE says)."""


experimental = Namespace(
    "tf.config.experimental", list_physical_devices=list_physical_devices, set_memory_growth=_leave_memory
)
list_logical_devices = list_physical_devices

__all__ = ["experimental", "list_logical_devices", "list_physical_devices"]

__getattr__ = outside(globals())
