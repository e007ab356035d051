"""Rights cases: what may be entered of them, in which order, and what their lists answer."""
