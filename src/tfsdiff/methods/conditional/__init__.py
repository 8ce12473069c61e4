"""The conditional diffusion that SR3 and TFS-Diff share."""
