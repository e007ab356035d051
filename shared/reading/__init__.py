"""Reading events into a database: each batch is one transaction that also moves the reader's position (docs/design/ENGINE.md, Reading)."""
