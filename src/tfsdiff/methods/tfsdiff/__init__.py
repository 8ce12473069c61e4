"""TFS-Diff: joint fusion and super-resolution."""
