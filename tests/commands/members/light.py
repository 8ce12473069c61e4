"""A learned method for pairs that works at one size: the image in the slot "visible", dimmed."""

from tfsdiff.errors import InputError
from tfsdiff.nets import state_dict
from tfsdiff.zoo.base import Imported
from tfsdiff.zoo.pairwise import Arrangement, Pairwise


class Light(Pairwise):
    """Its one weight is the `gain`, of which the released code stores the square."""

    Settings = Arrangement
    gain = None

    @classmethod
    def import_released(cls, checkpoint, groups):
        tensors = state_dict.load(checkpoint)
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
