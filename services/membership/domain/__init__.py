"""The rules of membership, pure: states, commands, decisions `(world, command, today) -> [facts]` and `evolve(world, fact)`."""
