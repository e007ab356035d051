"""One batch of a shard is one transaction, which takes the steps of these modules in their order (docs/design/ENGINE.md, Reading)."""
