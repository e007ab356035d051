"""The rules of the registry, pure: states, commands, decisions `(world, command, today) -> [facts]` and `evolve(history, said)`."""
