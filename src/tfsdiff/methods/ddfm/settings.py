"""What DDFM is set to: its prior, how it draws, what of the released code it follows.

Letters such as D8 are entries of docs/methods/ddfm.md.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tfsdiff.methods.ddfm.network import Architecture, multiple
from tfsdiff.methods.ddfm.prior import NOISE_LEVELS
from tfsdiff.methods.pairwise import PairSettings
from tfsdiff.params import Train


class Settings(PairSettings):
    """The prior, how it is drawn from, and what of the released code is followed."""

    network: Architecture
    # How two luminances are fused.
    # official, as the released code computes: I - x (D1), the folders read the other way round
    #   (D2), studio swing (D3), a gradient of the other sign and border for u (D4), D at most 2 C
    #   (D6), total variation of y - x (D7). The two scales stay alike, and f ends about midway.
    # paper: V + x, luminance of full range, one gradient throughout, total variation of x. The
    #   source that f is nearer to on the whole gets the smaller scale and with it the larger
    #   weight, step by step, until f is that source.
    mode: Literal["paper", "official"]
    sampler: Literal["ddim", "ancestral"]  # ddim: as released; ancestral: the paper's figure (D8)
    evaluations: Annotated[int, Field(ge=1, le=NOISE_LEVELS)]  # of the network a call (D8)
    tv_weight: Annotated[float, Field(gt=0)]  # lambda of the released code, psi of the paper (D5)
    tv_coupling: Annotated[float, Field(ge=0)]  # rho of the released code, eta of the paper (D5)
    stretch: Literal["official", "none"]  # each call's result from minimum to maximum (D10)
    train: Train | None  # null: of imported weights

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        step, crop = multiple(self.network), self.train and self.train.crop_pixels
        if crop and crop % step:
            raise ValueError(f"train.crop_pixels must be a multiple of {step}: a crop is halved")
        return self
