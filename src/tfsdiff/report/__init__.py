"""Tables and figures of what `tfsdiff.evaluation` computed."""
