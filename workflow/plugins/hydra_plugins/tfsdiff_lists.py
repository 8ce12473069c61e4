"""Lists that follow from others, for DVC, which composes workflow/conf itself (`exp run -S`)."""

from tfsdiff.compose import register_resolvers

register_resolvers()
