"""The members of the zoo, one module each and nothing else: `tfsdiff.zoo` finds them by name."""
