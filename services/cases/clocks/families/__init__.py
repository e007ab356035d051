"""The clocks by what they belong to: dispute, inspection, court, letters, agreements."""
