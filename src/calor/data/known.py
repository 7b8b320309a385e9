"""The table of the named data sets: where each comes from, under which licence, and what it holds.

A hash that nobody of us could compute from the file itself says where it is from.
"""

from collections.abc import Mapping
from types import MappingProxyType

from calor.data.entry import CifarEntry, Entry, FolderEntry, IdxEntry, RemoteFile

__all__ = ["CATALOGUE"]

# The first address has no https; the hash of the contents stands in for it, as it does for every download.
_FASHION_MNIST = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
_MNIST = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_CIFAR = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
)


def _file(folder: str, name: str, homes: tuple[str, ...], sha256: str, size: int, *, contents: bool) -> RemoteFile:
    return RemoteFile(folder + name, tuple(home + name for home in homes), sha256, size, contents)


def _idx(
    folder: str, homes: tuple[str, ...], train: tuple[str, int, str, int], test: tuple[str, int, str, int]
) -> Mapping[str, tuple[RemoteFile, RemoteFile]]:
    """The four files of MNIST and its successors; hash and size of the images, then of the labels."""
    columns = {}
    for split, start, (images, images_size, labels, labels_size) in (
        ("train", "train", train),
        ("test", "t10k", test),
    ):
        columns[split] = (
            _file(folder, f"{start}-images-idx3-ubyte.gz", homes, images, images_size, contents=True),
            _file(folder, f"{start}-labels-idx1-ubyte.gz", homes, labels, labels_size, contents=True),
        )
    return MappingProxyType(columns)


_SIXTY_THOUSAND = MappingProxyType({"train": 60_000, "test": 10_000})
_FIFTY_THOUSAND = MappingProxyType({"train": 50_000, "test": 10_000})
_CIFAR_LICENCE = "none stated; cite Krizhevsky (2009)"

# Hashes and sizes of the archives: TensorFlow Datasets, url_checksums/cifar10.txt and cifar100.txt; the same hashes
# are those of the Ruby library red-datasets and of Go's GoMLX.
_CIFAR_10 = _file(
    "",
    "cifar-10-binary.tar.gz",
    _CIFAR,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
    contents=False,
)
_CIFAR_100 = _file(
    "",
    "cifar-100-binary.tar.gz",
    _CIFAR,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    168_513_733,
    contents=False,
)
_CIFAR_100_MEMBERS = MappingProxyType(
    {"train": ("cifar-100-binary/train.bin",), "test": ("cifar-100-binary/test.bin",)}
)
_CIFAR_100_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout
    tulip turtle wardrobe whale willow_tree wolf woman worm
"""
_CIFAR_100_SUPERCLASSES = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
    household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
    large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
    vehicles_1 vehicles_2
"""

_ENTRIES = (
    IdxEntry(
        name="fashion_mnist",
        title="clothes, 28x28, grey (Zalando)",
        home="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        splits=_SIXTY_THOUSAND,
        columns=_idx(
            "fashion_mnist/",
            _FASHION_MNIST,
            train=(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                26_421_880,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                29_515,
            ),
            test=(
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                4_422_102,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                5_148,
            ),
        ),
    ),
    IdxEntry(
        name="mnist",
        title="handwritten digits, 28x28, grey (LeCun, Cortes, Burges)",
        home="https://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        class_names=tuple("0123456789"),
        splits=_SIXTY_THOUSAND,
        # Sizes: TensorFlow Datasets, url_checksums/mnist.txt. Hashes of the contents: published alike by many who use
        # the data, also beside the hashes of the gzip files that TensorFlow Datasets lists (440fcabf..., 3552534a...,
        # 8d422c7b..., f7ae60f9...) and beside the second address.
        columns=_idx(
            "mnist/",
            _MNIST,
            train=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                9_912_422,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                28_881,
            ),
            test=(
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                1_648_877,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                4_542,
            ),
        ),
    ),
    CifarEntry(
        name="cifar10",
        title="animals and vehicles, 32x32, colour (Krizhevsky)",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence=_CIFAR_LICENCE,
        class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        splits=_FIFTY_THOUSAND,
        archive=_CIFAR_10,
        members=MappingProxyType(
            {
                "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
                "test": ("cifar-10-batches-bin/test_batch.bin",),
            }
        ),
        label_bytes=(10,),
        label=0,
    ),
    CifarEntry(
        name="cifar100",
        title="100 kinds of things, 32x32, colour (Krizhevsky)",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence=_CIFAR_LICENCE,
        class_names=tuple(_CIFAR_100_CLASSES.split()),
        splits=_FIFTY_THOUSAND,
        archive=_CIFAR_100,
        members=_CIFAR_100_MEMBERS,
        label_bytes=(20, 100),
        label=1,
    ),
    CifarEntry(
        name="cifar100_coarse",
        title="the pictures of cifar100 with its 20 superclasses",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence=_CIFAR_LICENCE,
        class_names=tuple(_CIFAR_100_SUPERCLASSES.split()),
        splits=_FIFTY_THOUSAND,
        archive=_CIFAR_100,
        members=_CIFAR_100_MEMBERS,
        label_bytes=(20, 100),
        label=0,
    ),
    FolderEntry(
        name="cats_and_dogs",
        title="photos of cats and dogs of many sizes (Microsoft, Kaggle)",
        home="https://www.kaggle.com/c/dogs-vs-cats",
        licence="none stated; Kaggle's rules of Dogs vs. Cats",
        class_names=("cats", "dogs"),
        splits=MappingProxyType({"train": 2_000, "validation": 1_000}),
        archive=RemoteFile(
            path="cats_and_dogs_filtered.zip",
            urls=("https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",),
            # Taken from the Git LFS pointer of a public copy (HubBucket-Team/depot), whose 68,606,236 bytes
            # are the length that the address above serves. The second is another draw of such photos.
            sha256="91af24e0be191e9380dafc8710d0933fa826ec8e51f26f85c1fddba4e8018e3f",
            size=68_606_236,
            also=("a698bd7ad41d5b050117e995d389d7c3424e25b8caaeeba330151f5f6da2de65",),
        ),
        folders=MappingProxyType(
            {"train": "cats_and_dogs_filtered/train", "validation": "cats_and_dogs_filtered/validation"}
        ),
        pictures=MappingProxyType({"train": (1_000, 1_000), "validation": (500, 500)}),
        image_size=(150, 150),
    ),
    FolderEntry(
        name="flower_photos",
        title="photos of flowers of many sizes (TensorFlow)",
        home="https://www.tensorflow.org/datasets/catalog/tf_flowers",
        licence="CC BY 2.0; see LICENSE.txt inside",
        class_names=("daisy", "dandelion", "roses", "sunflowers", "tulips"),
        # The archive has no split, and neither has TensorFlow Datasets.
        splits=MappingProxyType({"train": 3_670}),
        archive=RemoteFile(
            path="flower_photos.tgz",
            urls=(
                "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
                "http://download.tensorflow.org/example_images/flower_photos.tgz",
            ),
            # TensorFlow Datasets, url_checksums/tf_flowers.txt; the recipe of meta-tensorflow has the same hash.
            sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            size=228_813_984,
        ),
        folders=MappingProxyType({"train": "flower_photos"}),
        pictures=MappingProxyType({"train": (633, 898, 641, 699, 799)}),
        image_size=(180, 180),
    ),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""The data sets that ``load`` knows, by name."""
