"""A learned method for pairs that works at one size: the image in the slot "visible", dimmed."""

from tfsdiff.common.errors import InputError
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.pairwise import PairSettings, PairwiseFuser


class Light(PairwiseFuser):
    """Its one weight is the `gain`, of which the released code stores the square."""

    Settings = PairSettings
    name = "light"
    learned = True
    importable = True
    gain = None

    @classmethod
    def import_released(cls, checkpoint, groups):
        tensors = checkpoints.load(checkpoint)
        if set(tensors) != {"square"}:
            raise InputError(f"{checkpoint}: lacks square")
        settings = {"first": "anatomical", "swapped": False}
        return Imported(settings, {"gain": tensors["square"].sqrt()}, {"seed": 1}, "1 parameter")

    def fuse_pair(self, visible, other, generators):
        return self.gain * visible

    def state(self):
        return {"gain": self.gain}, {"seed": 1}

    def restore(self, tensors, values, backend):
        self.gain = tensors["gain"]
